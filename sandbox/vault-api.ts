import { randomBytes } from "node:crypto";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import type { Cloud } from "./cloud.ts";
import { Refusal, sha256 } from "./world/state.ts";
import { initialiseVault, unsealVault, vaultOutOfReach, vaultRefusal } from "./world/vault.ts";
import type { World } from "./world/world.ts";

// The part of Vault's HTTP API with which the world's Vault is initialised and unsealed:
// https://developer.hashicorp.com/vault/api-docs/system

/** The world's Vault on a port of this machine. */
export interface VaultApi {
  readonly address: string;
  close(): Promise<void>;
}

interface Answer {
  readonly status: number;
  readonly body?: object;
}

/** Serves the world's Vault until it is closed. */
export async function serveVault(cloud: Cloud): Promise<VaultApi> {
  /** Key shares of an unsealing that has begun. */
  const shares = new Set<string>();
  const server = createServer((request, response) => {
    void (async () => {
      const body = await bodyOf(request);
      const { pathname } = new URL(request.url ?? "", "http://vault");
      const answer = (await cloud.visit((world) => answerTo(world, pathname.replace("/v1/", ""), body, shares))).result;
      // What nobody listens to does not answer.
      if (answer === undefined) request.socket.destroy();
      else {
        response.writeHead(answer.status, { "content-type": "application/json" });
        response.end(answer.body === undefined ? "" : JSON.stringify(answer.body));
      }
    })();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function bodyOf(request: IncomingMessage): Promise<Record<string, unknown>> {
  let text = "";
  for await (const chunk of request) text += chunk;
  return text === "" ? {} : JSON.parse(text);
}

/** Undefined when Vault does not answer. */
function answerTo(world: World, path: string, body: Record<string, unknown>, shares: Set<string>): Answer | undefined {
  if (vaultOutOfReach(world) !== undefined) return undefined;
  const vault = world.item("Vault /vault");
  const {
    initialized,
    sealed,
    keys = [],
  } = (vault?.spec ?? {}) as {
    initialized: boolean;
    sealed: boolean;
    keys?: string[];
  };
  const sealStatus = {
    type: sealTypeOf(world),
    initialized,
    sealed,
    t: 3,
    n: 5,
    progress: shares.size,
    version: "2.0.4",
  };
  switch (path) {
    case "sys/health":
      return { status: initialized ? (sealed ? 503 : 200) : 501, body: { initialized, sealed, standby: false } };
    case "sys/seal-status":
      return { status: 200, body: sealStatus };
    case "sys/init":
      return body.secret_shares === undefined && body.recovery_shares === undefined
        ? { status: 200, body: { initialized } }
        : init(world);
    case "sys/unseal": {
      shares.add(String(body.key));
      const right = [...shares].filter((share) => keys.includes(sha256(share)));
      if (right.length < 3) return { status: 200, body: { ...sealStatus, progress: right.length } };
      shares.clear();
      unsealVault(world);
      return { status: 200, body: { ...sealStatus, sealed: false, progress: 0 } };
    }
  }
  const refusal = vaultRefusal(world);
  if (refusal !== undefined) return { status: 503, body: { errors: [refusal] } };
  // The policy of Pulumi's runs, which the provider's writes are judged by.
  if (vault && path.startsWith("sys/policies/acl/") && typeof body.policy === "string")
    vault.spec = { ...vault.spec, runPolicy: body.policy };
  // Tokens are not modelled: whoever reaches this Vault may do everything here.
  return path.startsWith("auth/token/create")
    ? { status: 200, body: { auth: { client_token: secret() } } }
    : {
        status: path.startsWith("auth/token/lookup") ? 200 : 204,
        ...(path.includes("lookup") && { body: { data: {} } }),
      };
}

const secret = () => `sandbox-${randomBytes(20).toString("hex")}`;

/** "shamir" where somebody must bring key shares. */
function sealTypeOf(world: World): "ocikms" | "shamir" {
  const values = JSON.stringify(world.items("Release").find(({ spec }) => spec.chart === "vault")?.spec.values ?? {});
  return values.includes("ocikms") ? "ocikms" : "shamir";
}

function init(world: World): Answer {
  try {
    initialiseVault(world);
  } catch (error) {
    if (error instanceof Refusal) return { status: 400, body: { errors: [error.message] } };
    throw error;
  }
  const keys = Array.from({ length: 5 }, secret);
  const encoded = keys.map((key) => Buffer.from(key).toString("base64"));
  const vault = world.item("Vault /vault");
  // Only the digests: the world's file is no place for a secret.
  if (vault) vault.spec = { ...vault.spec, keys: [...keys, ...encoded].map(sha256) };
  const named = sealTypeOf(world) === "shamir" ? "keys" : "recovery_keys";
  return { status: 200, body: { [named]: keys, [`${named}_base64`]: encoded, root_token: secret() } };
}
