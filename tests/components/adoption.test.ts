import { CustomResource } from "@pulumi/kubernetes/apiextensions/customResource.js";
import { Provider } from "@pulumi/kubernetes/provider.js";
import * as pulumi from "@pulumi/pulumi";
import { Mount } from "@pulumi/vault/mount.js";
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { explainTakenNames } from "../../components/adoption.ts";
import { record } from "../../project/record.ts";

describe("a name that is taken", () => {
  const TAKEN = 'gateways.networking.istio.io "edge" already exists';
  type Failure = Partial<pulumi.ErrorHookArgs>;
  /** The hooks of what is registered, by name. */
  const hooks = new Map<string, pulumi.ErrorHook[]>();

  beforeAll(async () => {
    await record(
      async () => {
        explainTakenNames();
        void pulumi.runtime.registerStackTransformation(({ name, opts }) => {
          hooks.set(name, (opts.hooks?.onError ?? []) as pulumi.ErrorHook[]);
          return undefined;
        });
        const provider = new Provider("kubernetes", {});
        const parent = new pulumi.ComponentResource("oke-platform:platform:Edge", "edge");
        const metadata = { name: "edge", namespace: "istio-system" };
        new CustomResource(
          "edge",
          { apiVersion: "networking.istio.io/v1", kind: "Gateway", metadata },
          { parent, provider },
        );
        new Mount("kv", { path: "team/kv", type: "kv" });
        return {};
      },
      "prod",
      { values: {}, secrets: [] },
      { newResource: async ({ name, inputs }) => ({ id: name, state: inputs }), call: async () => ({}) },
    );
  });
  afterEach(() => {
    vi.restoreAllMocks();
  });

  const gateway = {
    type: "kubernetes:networking.istio.io/v1:Gateway",
    name: "edge",
    newInputs: { metadata: { name: "edge", namespace: "istio-system" } },
  };

  /** What is said of a failure, and whether the operation is tried again. */
  async function said(failure: Failure): Promise<{ told: unknown[]; again: unknown }> {
    const error = vi.spyOn(pulumi.log, "error").mockResolvedValue(undefined);
    const [hook] = hooks.get("kv") ?? [];
    const again = await hook?.callback({
      failedOperation: "create",
      errors: [TAKEN],
      ...gateway,
      ...failure,
    } as pulumi.ErrorHookArgs);
    return { told: error.mock.calls.map(([message]) => message), again };
  }
  const advice = (id: string, type: string) =>
    `${id} (${type}) is there already, and not in this stack's state. If a run of this stack made it and was cut off: npm run ` +
    "repair -- --stack prod, and up again. If it is somebody else's, remove it first; the same command says how to take it over.";

  it("is looked for in the cluster and in Vault, where names are identities", () => {
    expect(Object.fromEntries([...hooks].map(([name, { length }]) => [name, length]))).toMatchObject({
      kubernetes: 0,
      edge: 1,
      kv: 1,
    });
  });

  it("is told with the command that sees to it", async () => {
    expect(await said({})).toEqual({ told: [advice("istio-system/edge", gateway.type)], again: false });
  });

  it.each([
    ["a Namespace", "kubernetes:core/v1:Namespace", { metadata: { name: "istio-system" } }, "istio-system"],
    [
      "a release",
      "kubernetes:helm.sh/v3:Release",
      { name: "istiod", namespace: "istio-system" },
      "istio-system/istiod",
    ],
    ["a mount in Vault", "vault:index/mount:Mount", { path: "team/kv" }, "team/kv"],
    ["a policy in Vault", "vault:index/policy:Policy", { name: "reader" }, "reader"],
  ])("is %s by the name that an import takes", async (_what, type, newInputs, id) => {
    const { told } = await said({ type, name: "other", newInputs });
    expect(told).toEqual([advice(id, type)]);
  });

  it.each([
    "cannot re-use a name that is still in use",
    'namespaces "vault" already exists',
    "path is already in use at secret/",
  ])("is recognised in %j", async (error) => {
    expect((await said({ errors: ["a first error", error] })).told).toHaveLength(1);
  });

  it.each<[string, Failure]>([
    ["another error", { errors: ["connection refused"] }],
    ["an update", { failedOperation: "update" }],
    ["an object without a name", { newInputs: { metadata: {} } }],
    ["an object without inputs", { newInputs: undefined }],
  ])("is not seen in %s, and nothing is tried again", async (_what, failure) => {
    expect(await said(failure)).toEqual({ told: [], again: false });
  });
});
