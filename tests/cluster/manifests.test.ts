import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { plain } from "../../project/registration.ts";
import { registrationsIn, type Variant, variants } from "../variants.ts";
import { type ApiServer, type Manifest, startApiServer } from "./api-server.ts";
import { definitionsOf, install } from "./definitions.ts";

// What the program sends to a cluster, in every way of setting it up: a real API server takes it as it is, by the
// definitions that cert-manager, Istio and External Secrets publish. No field of it is unknown, as the server-side apply
// of Pulumi's provider would leave unsaid. Webhooks are not asked.

let server: ApiServer;

beforeAll(async () => {
  server = await startApiServer();
  const definitions = await Promise.all((["certManager", "istio", "externalSecrets"] as const).map(definitionsOf));
  await install(server, definitions.flat());
});

afterAll(() => server?.stop());

/** The objects that the program makes in the cluster; what it reads has no manifest, and the charts' are Helm's. */
async function manifestsOf(variant: Variant): Promise<Manifest[]> {
  const registrations = await registrationsIn(variant);
  return registrations
    .filter(({ custom, type }) => custom && type.startsWith("kubernetes:"))
    .map(({ inputs }) => plain(inputs) as unknown as Manifest)
    .filter(({ apiVersion }) => apiVersion !== undefined);
}

const namespace = (name: string): Manifest => ({ apiVersion: "v1", kind: "Namespace", metadata: { name } });

/** Makes the namespaces that objects are in, which a dry run wants to find. */
async function makeNamespaces(manifests: readonly Manifest[]): Promise<void> {
  const names = new Set(manifests.flatMap(({ metadata }) => metadata.namespace ?? []));
  await Promise.all([...names].map((name) => server.apply(namespace(name))));
}

describe.each<Variant>([{ name: "fresh", stack: "fresh" }, ...variants])("$name", (variant) => {
  it("sends what the API server takes", async () => {
    const manifests = await manifestsOf(variant);
    await makeNamespaces(manifests);
    for (const manifest of manifests) {
      expect(await server.apply(manifest, { dryRun: true })).toMatchObject(manifest);
    }
    expect(manifests.length).toBeGreaterThan(5);
  });
});

/** A copy with another value at a path such as `spec.servers.1.port`; undefined removes what is there. */
function changed(manifest: Manifest, path: string, value: unknown): Manifest {
  const copy = structuredClone(manifest);
  const keys = path.split(".");
  const last = keys.pop() ?? "";
  const parent = keys.reduce<Record<string, unknown>>((at, key) => at[key] as Record<string, unknown>, { ...copy });
  if (value === undefined) delete parent[last];
  else parent[last] = value;
  return copy;
}

describe("a manifest with a mistake", () => {
  let manifests: Manifest[];

  beforeAll(async () => {
    manifests = await manifestsOf({ name: "prod", stack: "prod" });
    await makeNamespaces(manifests);
  });

  it.each([
    {
      mistake: "without its Secret's name",
      kind: "Certificate",
      path: "spec.secretName",
      refusal: /"tls-wildcard-cluster" is invalid: spec.secretName: Required value/,
    },
    {
      mistake: "with a TLS mode that Istio does not know",
      kind: "Gateway",
      path: "spec.servers.1.tls.mode",
      value: "SIMPEL",
      refusal: /spec.servers\[1\].tls.mode: Unsupported value: "SIMPEL": supported values: "PASSTHROUGH", "SIMPLE"/,
    },
    {
      mistake: "with a field that Istio does not know",
      kind: "VirtualService",
      path: "spec.gatways",
      value: [],
      refusal: /\.spec\.gatways: field not declared in schema/,
    },
    {
      mistake: "with a number for a time",
      kind: "ExternalSecret",
      path: "spec.refreshInterval",
      value: 3600,
      refusal: /spec\.refreshInterval/,
    },
    {
      mistake: "with two providers",
      kind: "ClusterSecretStore",
      path: "spec.provider.fake",
      value: { data: [] },
      refusal: /spec\.provider/,
    },
    {
      mistake: "without its account's key",
      kind: "ClusterIssuer",
      path: "spec.acme.privateKeySecretRef",
      refusal: /spec\.acme\.privateKeySecretRef: Required value/,
    },
    {
      mistake: "in a namespace that is not there",
      kind: "Certificate",
      path: "metadata.namespace",
      value: "nowhere",
      refusal: /namespaces "nowhere" not found/,
    },
  ])("$kind $mistake is refused", async ({ kind, path, value, refusal }) => {
    const manifest = manifests.find((it) => it.kind === kind);
    if (manifest === undefined) throw new Error(`the program makes no ${kind}`);
    await expect(server.apply(changed(manifest, path, value), { dryRun: true })).rejects.toThrow(refusal);
  });
});
