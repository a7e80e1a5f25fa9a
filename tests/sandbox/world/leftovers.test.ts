import { expect, it } from "vitest";
import { leftovers, remains } from "../../../sandbox/world/leftovers.ts";
import { base, certManager, externalSecrets, reflector } from "./requests.ts";
import { fresh, served, without } from "./worlds.ts";

it("are none where nothing was made", () => {
  expect(leftovers(fresh().state)).toEqual([]);
});

it("are what nothing keeps: neither definitions that their chart keeps, nor what is dear", () => {
  const world = without(fresh(certManager, base, externalSecrets, reflector), certManager, base, reflector);
  world.put({ kind: "PublicIp", name: "ip", spec: {} });
  world.put({ kind: "Secret", namespace: "cert-manager", name: "tls", spec: {} });
  world.put({ kind: "DnsRecord", name: "a", spec: {} });
  const left = leftovers(world.state);
  expect(left.filter((key) => !/external-?secret|secretstore|pushsecret/.test(key))).toEqual([
    "Namespace /istio-system",
    "DnsRecord /a",
  ]);
  expect(left).toContain("CustomResourceDefinition /externalsecrets.external-secrets.io");
});

it("are not what was there before", () => {
  const world = served();
  expect(leftovers(world.state, world.state.items)).toEqual([]);
});

it("remain as all that is new, the definitions of a group as one", () => {
  const world = without(fresh(certManager), certManager);
  expect(remains(world.state)).toEqual([
    "CustomResourceDefinition *.acme.cert-manager.io",
    "CustomResourceDefinition *.cert-manager.io",
    "Namespace /cert-manager",
  ]);
  expect(remains(world.state, world.state.items)).toEqual([]);
});
