import { describe, expect, it } from "vitest";
import { account, installed, itJudges, type Raw, settingsOf, there } from "./stacks.ts";

describe("network policies", () => {
  itJudges([["networkPolicies", "true or false", ["yes", 1], [undefined, true, false]]]);

  const reaches = (changes: Raw) => {
    const { certManager, externalSecrets, istio, vault, reflector } = settingsOf(changes).charts;
    return [certManager, externalSecrets, istio, vault, reflector].map(({ reach }) => reach);
  };
  const nowhere = { ports: [], namespaces: [] };
  const on = { networkPolicies: true };

  it("are none where nobody asks for them", () => {
    expect(reaches({})).toEqual([undefined, undefined, undefined, undefined, undefined]);
    expect(reaches({ networkPolicies: false })).toEqual(reaches({}));
  });

  it.each<[what: string, changes: Raw, issuer: object, vault: object]>([
    [
      "Let's Encrypt, and a Vault where it is by default",
      {},
      { ports: [443], namespaces: [] },
      { ports: [8200], namespaces: ["vault"] },
    ],
    [
      "an ACME server and a Vault of one's own, at other ports",
      {
        ...account({ server: "https://acme.example.com:14000/dir" }),
        ...there({ clusterAddress: "http://vault.security.svc.cluster.local" }),
      },
      { ports: [14_000], namespaces: [] },
      { ports: [80], namespaces: ["security"] },
    ],
    [
      "a CA in the cluster, and a Vault elsewhere",
      { acme: { server: "ca" }, ...there({ clusterAddress: "https://vault.example.org", access: "existing" }) },
      nowhere,
      { ports: [443], namespaces: [] },
    ],
    [
      "an installed Vault with TLS",
      { ...installed(), ...{ size: "production", loadBalancer: undefined, cluster: { context: "kind" } } },
      { ports: [443], namespaces: [] },
      { ports: [8200], namespaces: ["vault"] },
    ],
  ])("let out to %s", (_what, changes, issuer, vault) => {
    const kms = { kmsVaultId: "ocid1.vault.oc1.x.y", kmsKeyId: "ocid1.key.oc1.x.y.z" };
    const raw = changes.size === undefined ? changes : { ...changes, vault: { ...(changes.vault as object), ...kms } };
    expect(reaches({ ...raw, ...on })).toEqual([issuer, vault, nowhere, nowhere, undefined]);
  });
});
