import { describe, expect, it } from "vitest";
import { chartOf } from "../../components/release.ts";
import { ownershipOf } from "../../settings/chart-values.ts";
import { named, registrationsOf } from "../harness.ts";

describe("values for the charts", () => {
  /**
   * Top-level keys that the schemas of both pinned versions allow, where a schema is closed.
   * https://github.com/istio/istio/blob/1.26.4/manifests/charts/gateway/values.schema.json
   * https://github.com/cert-manager/cert-manager/blob/v1.20.0/deploy/charts/cert-manager/values.schema.json
   */
  const allowed = {
    "ingress-gateway": [
      "autoscaling",
      "imagePullPolicy",
      "labels",
      "podAnnotations",
      "podDisruptionBudget",
      "replicaCount",
      "resources",
      "securityContext",
      "service",
      "topologySpreadConstraints",
    ],
    "cert-manager": [
      "cainjector",
      "crds",
      "podDisruptionBudget",
      "replicaCount",
      "resources",
      "startupapicheck",
      "topologySpreadConstraints",
      "webhook",
    ],
  };

  it.each(["prod", "lab"])("of %s have only keys that the charts' closed schemas know", async (stack) => {
    const registrations = await registrationsOf(stack);
    for (const [name, keys] of Object.entries(allowed)) {
      const used = Object.keys(named(registrations, name).inputs.values as object);
      expect(used.filter((key) => !keys.includes(key))).toEqual([]);
    }
  });

  it.each(["prod", "lab", "fresh"])(
    "of %s are what the table of the charts' ownership says that they are",
    async (stack) => {
      const releases = (await registrationsOf(stack)).filter(({ type }) => type === "kubernetes:helm.sh/v3:Release");
      const written = releases.flatMap(({ inputs }) => {
        const { chart } = chartOf(inputs);
        return ownershipOf(chart).owned.flatMap(({ at, is }) => {
          const value = at.reduce<unknown>((inner, key) => Object(inner)[String(key)], inputs.values);
          return is === undefined || value === undefined ? [] : [{ at: [chart, ...at].join("."), is, value }];
        });
      });
      expect(written.filter(({ is, value }) => is !== value)).toEqual([]);
      expect(written.map(({ at }) => at)).toEqual(
        expect.arrayContaining(["cert-manager.crds.enabled", "reflector.replicaCount", "gateway.labels.istio"]),
      );
    },
  );
});
