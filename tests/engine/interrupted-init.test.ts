import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, mkdtemp, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { basename, delimiter, join } from "node:path";
import { expect, it } from "vitest";
import { projectDirectory } from "../../project/stack.ts";
import { END_SIGNALS } from "../../tools/lib/foreground.ts";
import { OCI } from "../tools/vault/oci.ts";
import { DEPLOY_TOKEN, directory, FakeVault, setUpVault } from "../tools/vault/scene.ts";

// `vault:init` is told to end at each of its steps: by whom it is told so, a terminal tells what it has started, too.

setUpVault();

/** Where the keys go: to the file that a link leads to, or to the secret of a stand-in for OCI. */
type Place = "file" | "oci";

interface Moment {
  readonly step: number;
  readonly signal: NodeJS.Signals;
}

/** Before and after each call that changes the secret, a step as those of the program are. */
const STEPWISE = `
step() {
  echo "$1" >> "$STEPS"
  if [ "$(wc -l < "$STEPS")" = "$STEP" ]; then kill -s "\${SIGNAL#SIG}" -- "-$GROUP"; fi
}
case "$3" in create-base64 | update-base64) trap 'step "after oci $3"' EXIT; step "before oci $3" ;; esac
`;

/** A bootstrap of a Vault in a process of its own, and what it leaves where. */
async function init(place: Place) {
  const vault = new FakeVault();
  vault.initialized = false;
  const root = await mkdtemp(join(directory, "init-"));
  const [cwd, safe, tmp, bin] = ["cwd", "safe", "tmp", "bin"].map((name) => join(root, name)) as [
    string,
    string,
    string,
    string,
  ];
  for (const made of [cwd, safe, tmp, bin]) await mkdir(made);
  await symlink(join("..", "safe", "keys"), join(cwd, "keys"));
  await writeFile(join(bin, "oci"), `#!/bin/sh\n${STEPWISE}${OCI}`);
  await chmod(join(bin, "oci"), 0o755);
  const ADDRESS = `http://127.0.0.1:${await vault.start()}`;
  const STEPS = join(root, "steps");
  await writeFile(STEPS, "");
  const mayBe: Record<string, string[]> = { [cwd]: ["keys"], [safe]: ["keys", "keys.args", "keys.modes"], [tmp]: [] };
  /** @param moment at which it is told to end. @default - it is not */
  const run = async (moment?: Moment) => {
    await writeFile(STEPS, "");
    const child = spawn(process.execPath, [PROGRAM], {
      cwd,
      env: {
        ...process.env,
        PATH: `${bin}${delimiter}${process.env.PATH}`,
        LOG: join(safe, "keys"),
        TMPDIR: tmp,
        ADDRESS,
        STEPS,
        ...(place === "file" && { KEYS: "keys" }),
        ...(moment && { STEP: String(moment.step), SIGNAL: moment.signal }),
      },
      // The leader of a group, as a terminal has one.
      detached: true,
      stdio: ["ignore", "pipe", "pipe", "ipc"],
    });
    let said = "";
    for (const stream of [child.stdout, child.stderr])
      stream?.on("data", (chunk) => {
        said += chunk;
      });
    child.on("message", () => {
      child.stdout?.destroy();
      child.stderr?.destroy();
      child.send("closed");
    });
    const [code, endedBy] = await once(child, "exit");
    const left: string[] = [];
    for (const [at, names] of Object.entries(mayBe))
      left.push(...(await readdir(at)).filter((name) => !names.includes(name)).map((name) => join(basename(at), name)));
    return {
      end: endedBy ?? code,
      said,
      steps: (await readFile(STEPS, "utf8")).trim().split("\n"),
      keys: await keysIn(place, join(safe, "keys")),
      left,
    };
  };
  return { vault, run };
}

const PROGRAM = join(projectDirectory, "tests/engine/interrupted-init.ts");

async function keysIn(place: Place, file: string): Promise<Record<string, unknown> | undefined> {
  const text = (await readFile(file, "utf8").catch(() => "")).trim();
  const json = place === "file" ? text : Buffer.from(text, "base64").toString("utf8");
  return ["", "{}"].includes(json) ? undefined : JSON.parse(json);
}

/** All that is to be kept in the end. */
const whole = ({ shares }: FakeVault) => ({ keys: shares, keys_base64: shares, deploy_token: DEPLOY_TOKEN });

it.each(["file", "oci"] as const)("is whole without a signal: %s", async (place) => {
  const { vault, run } = await init(place);
  const { end, keys, left, said } = await run();
  expect({ end, keys, left, said }).toMatchObject({ end: 0, keys: whole(vault), left: [] });
});

it.each(END_SIGNALS.flatMap((signal) => (["file", "oci"] as const).map((place) => [signal, place] as const)))(
  "leaves the keys in their place, or Vault as it was, whenever %s comes: %s",
  async (signal, place) => {
    const { steps } = await (await init(place)).run();
    expect(steps.length).toBeGreaterThan(20);
    const faults: string[] = [];
    const play = async (step: number) => {
      const { vault, run } = await init(place);
      const { end, keys, left } = await run({ step, signal });
      const asked = vault.requests.join();
      const found = {
        "it does not say that it was stopped": end === 0,
        "it goes on though nothing had happened yet": vault.initialized && step < steps.indexOf("before sys/init") + 1,
        "nobody has the keys": vault.initialized && (keys?.keys_base64 as unknown[] | undefined)?.length !== 5,
        "there are keys of a Vault that is as it was": keys !== undefined && !vault.initialized,
        "nobody has the deploy token": asked.includes("create-orphan") && keys?.deploy_token === undefined,
        "a root token is kept that is no more": asked.includes("revoke-self") && keys?.root_token !== undefined,
        [`it leaves ${left.join(", ")}`]: left.length > 0,
      };
      const fault = Object.keys(found).filter((what) => found[what as keyof typeof found]);
      // A run that is told to end goes on to the end of what it keeps together: few of them are different to go on from.
      if (steps[step - 1]?.startsWith("during")) {
        const again = await run();
        if (again.end !== 0) fault.push(`it does not go on: ${again.said}`);
        else expect({ keys: again.keys, left: again.left }).toEqual({ keys: whole(vault), left: [] });
      }
      if (fault.length > 0) faults.push(`${step} ${steps[step - 1]}, ends with ${end}: ${fault.join("; ")}`);
    };
    const waiting = steps.map((_step, index) => index + 1);
    const player = async () => {
      for (let step = waiting.shift(); step !== undefined; step = waiting.shift()) await play(step);
    };
    await Promise.all([player(), player()]);
    expect(faults).toEqual([]);
  },
);
