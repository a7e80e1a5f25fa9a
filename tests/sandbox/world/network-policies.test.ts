import { describe, expect, it } from "vitest";
import { policy } from "../../../components/network-policy.ts";
import { asAccount, certManager, externalSecrets, issuer, kvSecret, storeWith } from "./requests.ts";
import { fresh, pass, READY, stateOf } from "./worlds.ts";

const kept = (ports: number[], namespaces: string[] = []) => policy({ ports, namespaces });
const withValues = (request: typeof certManager, values: object) => ({ ...request, spec: { ...request.spec, values } });

describe("rule 12: network policies", () => {
  const UNREACHED = "dial tcp: i/o timeout";

  it.each<[string, object, string, string]>([
    ["without one", {}, "https://acme.example:14000/dir", ""],
    ["of a chart that lets nothing out", { networkPolicy: { enabled: true } }, "https://acme.example/dir", UNREACHED],
    ["that is not turned on", { networkPolicy: { egress: [] } }, "https://acme.example/dir", ""],
    ["at the usual port", kept([]), "https://acme.example/dir", ""],
    ["at another", kept([]), "https://acme.example:14000/dir", UNREACHED],
    ["at another that it lets out to", kept([14_000]), "https://acme.example:14000/dir", ""],
  ])("keep cert-manager from an ACME server, or not: %s", (_, values, server, reason) => {
    const world = fresh(withValues(certManager, values));
    const item = world.create(issuer(undefined, "letsencrypt", server));
    pass(world, 3);
    expect(stateOf(item).reason).toBe(reason === "" ? "" : `failed to register ACME account: ${reason}`);
  });

  it.each<[string, object, string, string]>([
    ["by its port", kept([8200]), "http://vault.vault:8200", ""],
    ["by its namespace, whatever the port", kept([], ["vault"]), "http://vault.vault:8200", ""],
    ["in another namespace", kept([], ["other"]), "http://vault.vault:8200", UNREACHED],
    ["elsewhere", kept([]), "https://vault.example.org", ""],
    ["elsewhere at its own port", kept([], ["vault"]), "https://vault.example.org:8200", UNREACHED],
  ])("keep External Secrets from Vault, or not: %s", (_, values, server, reason) => {
    const world = fresh(withValues(externalSecrets, values), kvSecret("first"));
    const item = world.create(storeWith(asAccount(), { server }));
    pass(world, 1);
    expect(stateOf(item)).toEqual(reason === "" ? READY : { ready: false, reason });
  });
});
