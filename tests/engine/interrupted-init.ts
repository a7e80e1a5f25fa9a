import { once } from "node:events";
import { appendFileSync, readFileSync } from "node:fs";
import files, { type FileHandle } from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import { setImmediate as turn } from "node:timers/promises";
import { main, printer, toolCommand } from "../../tools/lib/command.ts";
import { type VaultApi, vaultApi } from "../../tools/vault/api.ts";
import { bootstrap } from "../../tools/vault/bootstrap.ts";
import { keysFile } from "../../tools/vault/keys.ts";
import { ociKeys } from "../../tools/vault/oci-keys.ts";

// A bootstrap, as a program of its own, that is told to end at one of its steps, and writes down which those are.

const { ADDRESS = "", KEYS, STEPS = "", STEP, SIGNAL = "SIGTERM" } = process.env;
// For what it starts: a terminal tells them all.
process.env.GROUP = String(process.pid);

async function at(step: string): Promise<void> {
  appendFileSync(STEPS, `${step}\n`);
  if (readFileSync(STEPS, "utf8").split("\n").length - 1 !== Number(STEP)) return;
  if (SIGNAL === "SIGHUP") {
    // The terminal goes first: what is said after that is an error.
    process.send?.("gone");
    await once(process, "message");
  }
  process.kill(-process.pid, SIGNAL);
  // A signal that is listened to is told in one of the turns that follow.
  for (let turns = 0; turns < 3; turns++) await turn();
}

const { open, rm, rename } = files;
files.open = async (...args) => {
  await at("open");
  const handle = await open(...args);
  const write = handle.write.bind(handle) as (...given: unknown[]) => Promise<unknown>;
  return Object.assign(handle, {
    async write(...given: unknown[]) {
      await at("write");
      const done = await write(...given);
      await at("written");
      return done;
    },
  } as Partial<FileHandle>);
};
files.rm = async (...args) => {
  await at("rm");
  await rm(...args);
};
files.rename = async (...args) => {
  await at("rename");
  await rename(...args);
};
syncBuiltinESMExports();

/** Steps before and during each request that changes something; a share of the key is one as the other. */
function stepwise(vault: VaultApi): VaultApi {
  return {
    address: vault.address,
    async ask<Body>(...[method, path, options]: Parameters<VaultApi["ask"]>) {
      if (method === "GET" || (options?.body as { key?: string } | undefined)?.key !== undefined)
        return vault.ask<Body>(method, path, options);
      await at(`before ${path}`);
      const asking = vault.ask<Body>(method, path, options);
      await at(`during ${path}`);
      return asking;
    },
  };
}

await main(import.meta, (terminal) =>
  toolCommand("vault:init", "A bootstrap.", terminal).action(() =>
    bootstrap({
      vault: stepwise(vaultApi(ADDRESS)),
      others: [],
      keys:
        KEYS === undefined
          ? ociKeys({ name: "keys", vault: "ocid1.vault", key: "ocid1.key", compartment: "ocid1.compartment" })
          : keysFile(KEYS),
      rescue: keysFile("rescue.json"),
      policy: "",
      anew: [],
      record: async () => {},
      log: printer(terminal),
    }),
  ),
);
