import type * as pulumi from "@pulumi/pulumi";
import { describe, expect, it } from "vitest";
import { willingCloud } from "../../../sandbox/schedule/willing-cloud.ts";
import { emptyWorld } from "../../../sandbox/world/beginnings.ts";
import { type Changes, named, registrationsOf } from "../../harness.ts";

describe("a look into Vault refuses", () => {
  const there = { address: "http://127.0.0.1:8200" };
  const LISTING = "sys/internal/ui/mounts";
  const unusable = (reason: string) =>
    `Vault at http://127.0.0.1:8200 cannot be used: ${reason}. It must be reachable from here, initialised and ` +
    "unsealed, and VAULT_TOKEN must be valid; for a Vault inside the cluster: npm run vault -- run --stack <stack> -- pulumi up";

  /** A cloud whose Vault answers this for a path; what else it is asked for, it gives. */
  function cloudWith(answer: (path: string) => unknown) {
    const registered: string[] = [];
    const willing = willingCloud(emptyWorld());
    const cloud: pulumi.runtime.Mocks = {
      newResource: async (args) => {
        registered.push(`${args.type} ${args.name}`);
        return willing.newResource(args);
      },
      call: async (args) => {
        if (args.token !== "vault:generic/getSecret:getSecret") return willing.call(args);
        try {
          return { dataJson: JSON.stringify(answer(args.inputs.path)) };
        } catch (error) {
          // The SDK reads the reason where gRPC puts it.
          throw Object.assign(error as Error, { details: (error as Error).message });
        }
      },
    };
    return { registered, cloud };
  }
  const fails = (message: string) => () => {
    throw new Error(message);
  };
  /** Vault's own list of what is mounted. */
  const mounts = (secret: object, auth: object = {}) => ({ secret, auth });
  const kv2 = { "secret/": { type: "kv", options: { version: "2" } } };
  const managed = { ...there, access: "managed" };

  it.each<[what: string, vault: Changes, answer: (path: string) => unknown, message: string]>([
    [
      "one that is out of reach",
      there,
      fails("dial tcp 127.0.0.1:8200: connect: connection refused"),
      unusable("dial tcp 127.0.0.1:8200: connect: connection refused"),
    ],
    [
      "one that is sealed, in the provider's own words and with one full stop",
      there,
      fails("Invoking vault:generic/getSecret:getSecret returned an error: Vault is sealed.\n"),
      unusable("Vault is sealed"),
    ],
    ["one that is sealed, though it would be set up", managed, fails("Vault is sealed"), unusable("Vault is sealed")],
    [
      "one that is installed and initialised, and sealed",
      { install: true, initialized: true },
      fails("Vault is sealed"),
      unusable("Vault is sealed").replace("http:", "https:"),
    ],
    [
      "a KV engine of version 1",
      there,
      () => mounts({ "secret/": { type: "kv", options: { version: "1" } } }),
      'vault.mount is "secret", which is a kv engine of version 1 at http://127.0.0.1:8200; allowed: the mount of a KV version 2 engine',
    ],
    [
      "a KV engine that names no version",
      managed,
      () => mounts({ "secret/": { type: "kv", options: null } }),
      'vault.mount is "secret", which is a kv engine of version 1 at http://127.0.0.1:8200; allowed: the mount of a KV version 2 engine',
    ],
    [
      "another engine",
      managed,
      () => mounts({ "secret/": { type: "pki", options: { version: "2" } } }),
      'vault.mount is "secret", which is a pki engine at http://127.0.0.1:8200; allowed: the mount of a KV version 2 engine',
    ],
    [
      "no engine where access is said to exist",
      { ...there, mount: "team/kv" },
      () => mounts({ ...kv2, "team/": kv2["secret/"] }),
      'vault.mount is "team/kv", which VAULT_TOKEN does not see at http://127.0.0.1:8200; mount a KV version 2 engine there and let the token write the path, or set vault.access to "managed"',
    ],
    [
      "a Vault that tells of no engines",
      there,
      () => ({}),
      'vault.mount is "secret", which VAULT_TOKEN does not see at http://127.0.0.1:8200; mount a KV version 2 engine there and let the token write the path, or set vault.access to "managed"',
    ],
    [
      "an auth backend of another type",
      { ...managed, authPath: "k8s/eu" },
      () => mounts(kv2, { "k8s/eu/": { type: "oidc" } }),
      'vault.authPath is "k8s/eu", which is an auth backend of type oidc at http://127.0.0.1:8200; allowed: the path of a kubernetes backend, or one that is free',
    ],
    [
      "a backend whose settings it may not see",
      managed,
      (path) =>
        path === LISTING ? mounts(kv2, { "kubernetes/": { type: "kubernetes" } }) : fails("permission denied")(),
      "permission denied",
    ],
  ])("%s, before anything is touched", async (_what, vault, answer, message) => {
    const { registered, cloud } = cloudWith(answer);
    const failure = await registrationsOf("prod", { vault }, {}, cloud).then(
      () => undefined,
      (error: Error) => error,
    );
    expect(failure?.message).toBe(message);
    expect(registered.filter((it) => !it.startsWith("pulumi:pulumi:Stack "))).toEqual(["pulumi:providers:vault vault"]);
  });

  it.each<[what: string, vault: Changes, answer: (path: string) => unknown]>([
    [
      "an auth backend of another type where access exists",
      there,
      () => mounts(kv2, { "kubernetes/": { type: "oidc" } }),
    ],
    ["a KV engine by its other name", there, () => mounts({ "secret/": { type: "kv-v2", options: null } })],
    ["an engine of another path", managed, () => mounts({ "secrets/": { type: "pki" } })],
    [
      "a backend without settings",
      managed,
      (path) =>
        path === LISTING
          ? mounts(kv2, { "kubernetes/": { type: "kubernetes" } })
          : fails(`No secret found at "${path}"`)(),
    ],
  ])("not %s", async (_what, vault, answer) => {
    const { cloud } = cloudWith(answer);
    const all = await registrationsOf("prod", { vault }, {}, cloud);
    expect(named(all, "secret-store").inputs.kind).toBe("ClusterSecretStore");
  });

  it("asks for a backend's settings only where there is one to take over", async () => {
    const asked: string[] = [];
    const note = (auth: object) => (path: string) => {
      asked.push(path);
      return mounts(kv2, auth);
    };
    await registrationsOf("prod", { vault: managed }, {}, cloudWith(note({})).cloud);
    await registrationsOf(
      "prod",
      { vault: there },
      {},
      cloudWith(note({ "kubernetes/": { type: "kubernetes" } })).cloud,
    );
    expect(asked).toEqual([LISTING, LISTING]);
    const answer = note({ "kubernetes/": { type: "kubernetes" } });
    await registrationsOf("prod", { vault: managed }, {}, cloudWith(answer).cloud);
    expect(asked.slice(2)).toEqual([LISTING, "auth/kubernetes/config"]);
  });
});
