import { describe, expect, it } from "vitest";
import { elsewhere, ids, installed, itRefuses, mistakesIn, oke, PEM, type Raw, there } from "./stacks.ts";

const missing =
  'vault is missing; allowed: a map with address or install: true, required where a DNS token is kept; or set cloudflare.token to "none"';
const noAddress =
  "vault.address is missing; allowed: the http or https URL at which this program reaches Vault, required without install";
const nothingToKeep =
  'vault.install is true; allowed: false with cloudflare.token "none", which leaves nothing to keep in it';
const noKey =
  "vault.kmsKeyId is missing; allowed: the OCID of a key, with kmsVaultId: without loadBalancer there is no compartment to make one in";
const inCluster =
  'the URL of a Service of this cluster with access "managed", such as http://vault.vault:8200: a Vault elsewhere cannot review this cluster\'s tokens';
const noLoadBalancer = "loadBalancer is missing; allowed: a map with compartmentId and rules, required on OKE";
const { kmsVault: kmsVaultId, kmsKey: kmsKeyId } = ids;
const noToken = { acme: { server: "ca" }, cloudflare: { token: "none" } };
const production = { size: "production" };

describe("the rules about Vault", () => {
  itRefuses([
    [
      "a namespace of a Vault that is installed",
      installed({ namespace: "team" }),
      'vault.namespace is "team"; allowed: nothing with install: true, which installs a Vault without namespaces; remove it',
    ],
    ["none for a scoped token", { vault: undefined }, missing],
    ["an empty one", { vault: {} }, missing],
    [
      "none for a supplied token",
      { cloudflare: { token: "supplied" }, cloudflareApiToken: "x", vault: undefined },
      missing,
    ],
    ["one neither there nor installed", { vault: { mount: "kv" } }, noAddress],
    ["an installed one without a token", { ...noToken, ...installed() }, nothingToKeep],
    [
      "only that, though more about it is wrong",
      { ...noToken, ...installed({ access: "existing", caBundle: PEM, auth: { method: "token" } }) },
      nothingToKeep,
    ],
    [
      "TLS to a small one that is installed",
      installed({ address: "https://127.0.0.1:8200" }),
      'vault.address is "https://127.0.0.1:8200"; allowed: an http URL with install: true and size "small"',
    ],
    [
      "no TLS to an installed one in production",
      { ...production, ...installed({ address: "http://127.0.0.1:8200" }) },
      'vault.address is "http://127.0.0.1:8200"; allowed: an https URL with install: true and size "production"',
    ],
    [
      "only the size when the address would be judged by a wrong one",
      { size: "large", ...installed({ address: "https://127.0.0.1:8200" }) },
      'size is "large"; allowed: "small" or "production"',
    ],
    [
      "what an installed one knows by itself",
      installed({ clusterAddress: "https://vault.example.org", access: "existing", caBundle: PEM }),
      'vault.access is "existing"; allowed: "managed" with install: true: a Vault that is new has no access yet; remove it',
      `vault.caBundle is ${JSON.stringify(PEM)}; allowed: nothing with install: true, whose CA is the program's own; remove it`,
      'vault.clusterAddress is "https://vault.example.org"; allowed: nothing with install: true, which knows its own address; remove it',
    ],
    [
      "the phase and the key of one that is not installed",
      there({ initialized: true, kmsVaultId, kmsKeyId }),
      "vault.initialized is true; allowed: nothing without install: a Vault that is there is taken to be ready; remove it",
      `vault.kmsKeyId is "${kmsKeyId}"; allowed: nothing without install; remove it`,
      `vault.kmsVaultId is "${kmsVaultId}"; allowed: nothing without install; remove it`,
    ],
    // Its vault would be refused too.
    [
      "only the key of one that is not installed, not that its vault is missing",
      there({ kmsKeyId }),
      `vault.kmsKeyId is "${kmsKeyId}"; allowed: nothing without install; remove it`,
    ],
    [
      "a key without its vault",
      installed({ kmsKeyId }),
      "vault.kmsVaultId is missing; allowed: the OCID of the vault of the key in vault.kmsKeyId",
    ],
    [
      "only the key when its vault would be judged by a wrong one",
      installed({ kmsKeyId: "key" }),
      'vault.kmsKeyId is "key"; allowed: the OCID of a key, ocid1.key.<realm>.<region>.<id>',
    ],
    ["no key, and nowhere to make one, in production", { ...elsewhere, ...production, ...installed() }, noKey],
    ["no key in a given vault, and nowhere to make one", { ...elsewhere, ...installed({ kmsVaultId }) }, noKey],
    // The compartment to make a key in is part of it.
    [
      "only that the load balancer is missing on OKE",
      { loadBalancer: undefined, ...production, ...installed() },
      noLoadBalancer,
    ],
    [
      "only the key's vault when the key would be judged by a wrong one",
      { ...elsewhere, ...installed({ kmsVaultId: "vault" }) },
      'vault.kmsVaultId is "vault"; allowed: the OCID of a vault, ocid1.vault.<realm>.<region>.<id>',
    ],
    ...["https://vault.example.org", "http://vault:8200", "http://192.0.2.1:8200", "http://vault.vault.svc.local"].map(
      (clusterAddress): [string, Raw, string] => [
        `managed access to one at ${clusterAddress}`,
        there({ access: "managed", clusterAddress }),
        `vault.clusterAddress is "${clusterAddress}"; allowed: ${inCluster}`,
      ],
    ),
    [
      "only whether it is installed when other keys would be judged by a wrong answer",
      { vault: { install: "yes", caBundle: PEM, kmsKeyId, initialized: true, auth: { method: "token" } } },
      'vault.install is "yes"; allowed: true or false; write true, without quotes',
    ],
  ]);

  it.each(["http://vault.vault:8200", "https://vault-active.secrets.svc:8200", "http://vault.vault.svc.cluster.local"])(
    "allow managed access to one at %s",
    (clusterAddress) => {
      expect(mistakesIn({ ...oke, ...there({ access: "managed", clusterAddress }) })).toEqual([]);
    },
  );
});
