import { expect, it } from "vitest";
import { charts } from "../../../sandbox/world/charts.ts";
import { keyOf, type Spec } from "../../../sandbox/world/state.ts";

/** What a chart makes, but for definitions. */
const keysOf = (chart: string, values: Spec = {}, name = chart) =>
  charts[chart]
    ?.objects({ name, namespace: "ns", values })
    .filter(({ kind }) => kind !== "CustomResourceDefinition")
    .map(keyOf);

it.each<[string, string[]]>([
  [
    "cert-manager",
    [
      ...["", "-cainjector", "-webhook"].map((part) => `Service ns/cert-manager${part}`),
      ...["", "-cainjector", "-webhook"].map((part) => `Deployment ns/cert-manager${part}`),
      "ValidatingWebhookConfiguration /cert-manager-webhook",
      "MutatingWebhookConfiguration /cert-manager-webhook",
    ],
  ],
  ["reflector", ["Deployment ns/reflector"]],
  ["base", ["ValidatingWebhookConfiguration /istiod-default-validator"]],
  [
    "istiod",
    [
      "Service ns/istiod",
      "Deployment ns/istiod",
      "ValidatingWebhookConfiguration /istio-validator-ns",
      "MutatingWebhookConfiguration /istio-sidecar-injector",
    ],
  ],
  ["gateway", ["Deployment ns/gateway", "Service ns/gateway"]],
  [
    "external-secrets",
    [
      "Service ns/external-secrets-webhook",
      ...["", "-cert-controller", "-webhook"].map((part) => `Deployment ns/external-secrets${part}`),
      "ValidatingWebhookConfiguration /secretstore-validate",
      "ValidatingWebhookConfiguration /externalsecret-validate",
    ],
  ],
  ["vault", ["Service ns/vault", "Service ns/vault-internal", "StatefulSet ns/vault"]],
])("%s makes this", (chart, keys) => {
  expect(keysOf(chart)).toEqual(keys);
});

it("is named by its release, with the chart's name where that is not in it", () => {
  expect([keysOf("reflector", {}, "copy-reflector"), keysOf("reflector", {}, "copy")]).toEqual([
    ["Deployment ns/copy-reflector"],
    ["Deployment ns/copy-reflector"],
  ]);
});

it("has the Services of Vault's active and standby pods with three replicas", () => {
  expect(keysOf("vault", { server: { ha: {} } })?.filter((key) => key.startsWith("Service"))).toEqual(
    ["", "-internal", "-active", "-standby"].map((part) => `Service ns/vault${part}`),
  );
});

it.each([
  ["cert-manager", 6, true],
  ["base", 15, true],
  ["external-secrets", 6, false, {}],
  ["external-secrets", 6, true, { crds: { annotations: { "helm.sh/resource-policy": "keep" } } }],
])("%s defines %i kinds, kept: %s", (chart, count, kept, values: Spec = {}) => {
  const objects = charts[chart]?.objects({ name: chart, namespace: "ns", values }) ?? [];
  const definitions = objects.filter(({ kind }) => kind === "CustomResourceDefinition");
  expect(definitions.map(({ spec }) => spec.annotations)).toEqual(
    Array(count).fill(kept ? { "helm.sh/resource-policy": "keep" } : {}),
  );
});
