import { describe, expect, it } from "vitest";
import type { Request } from "../../../sandbox/world/state.ts";
import {
  base,
  certManager,
  externalSecrets,
  ISTIO,
  ingressGateway,
  istiod,
  renewed,
  type Spec,
  vaultServer,
} from "./requests.ts";
import { fresh, having, pass, READY, readyAfter, stateOf, without } from "./worlds.ts";

const patch = (name: string, level?: string): Request => ({
  kind: "NamespacePatch",
  name,
  spec: level === undefined ? {} : { labels: { "pod-security.kubernetes.io/enforce": level } },
});
const profile = { seccompProfile: { type: "RuntimeDefault" } };
const withValues = (request: Request, values: Spec): Request => ({ ...request, spec: { ...request.spec, values } });
const server = vaultServer().spec.values as { global: Spec; server: Spec };
/** Vault's release with this security of its container. */
const contained = (container: Spec) => {
  const statefulSet = { securityContext: { container } };
  return withValues(vaultServer(), { ...server, server: { ...server.server, statefulSet } });
};

describe("rule 11: labels on a namespace", () => {
  const spec = { labels: { "pod-security.kubernetes.io/enforce": "restricted" } };

  it("make one that is missing, and go without it", () => {
    const world = fresh();
    expect(readyAfter(world, world.create(patch("cert-manager", "restricted")))).toBe(0.5);
    expect(world.item("Namespace /cert-manager")?.spec).toEqual(spec);
    having(world, certManager);
    without(world, certManager, patch("cert-manager"));
    expect(world.item("Namespace /cert-manager")?.spec).toEqual({});
  });

  it("come to one that is there, and are written over those of a run that was killed", () => {
    const world = having(fresh(certManager), patch("cert-manager", "baseline"));
    having(world, patch("cert-manager", "restricted"));
    expect(world.item("Namespace /cert-manager")?.spec).toEqual(spec);
  });
});

describe("rule 11: the pods of a chart", () => {
  it.each<[string, string, Request, boolean]>([
    ["cert-manager", "cert-manager", certManager, true],
    ["External Secrets", "external-secrets", externalSecrets, true],
    ["istiod as it is", ISTIO, istiod, false],
    ["istiod with a profile", ISTIO, withValues(istiod, profile), true],
    ["the gateway as it is", ISTIO, ingressGateway({ type: "ClusterIP" }), false],
    [
      "the gateway with a profile",
      ISTIO,
      withValues(ingressGateway(), { service: { type: "ClusterIP" }, securityContext: profile }),
      true,
    ],
    ["Vault as it is", "vault", vaultServer(), false],
    ["Vault with a profile", "vault", contained(profile), false],
    ["Vault without capabilities", "vault", contained({ capabilities: { drop: ["ALL"] } }), false],
    ["Vault with both", "vault", contained({ capabilities: { drop: ["ALL"] }, ...profile }), true],
  ])("of %s are taken where only the strictest are, or not", (_, namespace, release, isTaken) => {
    for (const level of ["baseline", "restricted"]) {
      const world = fresh(...(namespace === ISTIO ? [base] : []));
      if (release.spec.chart === "gateway") having(world, withValues(istiod, profile));
      const item = having(world, patch(namespace, level)).create(release);
      pass(world, 200);
      expect([level, item.ready]).toEqual([level, level === "baseline" || isTaken]);
      if (item.ready) expect(stateOf(item)).toEqual(READY);
      else expect(item.reason).toMatch(/^pods "\S+" is forbidden: violates PodSecurity "restricted:latest"$/);
    }
  });

  it("stay where they are when the labels come, until they are made anew", () => {
    const world = fresh(base, istiod);
    having(world, patch(ISTIO, "restricted"));
    expect(world.item(`Deployment ${ISTIO}/istiod`)?.status.up).toBe(true);
    const item = world.update(`Release ${ISTIO}/istiod`, renewed(istiod));
    pass(world, 100);
    expect(item.reason).toBe('pods "istiod" is forbidden: violates PodSecurity "restricted:latest"');
  });
});
