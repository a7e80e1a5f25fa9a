import { gunzipSync, gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { examples } from "../../project/placeholders.ts";
import type { Registration } from "../../project/record.ts";
import { projectDirectory } from "../../project/stack.ts";
import { find } from "../../tools/repair/find.ts";
import type { Finding } from "../../tools/repair/findings.ts";
import { type Cluster, clusterOf, type HelmRecord } from "../../tools/repair/kubernetes.ts";
import type { State, StateResource } from "../../tools/repair/state.ts";
import { settingsOf } from "../../tools/stack.ts";
import { named, registrationsOf } from "../harness.ts";
import { type ApiServer, type Manifest, startApiServer } from "./api-server.ts";
import { definitionsOf, install } from "./definitions.ts";
import { helmRecord } from "./helm-records.ts";

// What a repair makes of a cluster that a real API server tells of, and what it does there. Each test adds to what the
// one before has left.

let server: ApiServer;
let cluster: Cluster;
let registrations: Registration[];

beforeAll(async () => {
  server = await startApiServer();
  cluster = clusterOf(async () => server.kubeConfig(), 10_000);
  registrations = await registrationsOf("prod");
  for (const name of ["cert-manager", "istio-system", "vault"]) await server.apply(namespace(name), byProvider);
});

afterAll(() => server?.stop());

/** A manager's name as the Helm of Pulumi's provider has it, and as the provider has it itself. */
const [byHelm, byProvider] = [{ manager: "pulumi-kubernetes" }, { manager: "pulumi-kubernetes-3f2a91bc" }];

const namespace = (name: string): Manifest => ({ apiVersion: "v1", kind: "Namespace", metadata: { name } });

/** A release as Helm stores it: base64 of gzip of JSON. */
const stored = (release: object) => gzipSync(JSON.stringify(release)).toString("base64");
const unstored = (data: string) =>
  JSON.parse(gunzipSync(Buffer.from(Buffer.from(data, "base64").toString(), "base64")).toString());

const contents = (name: string, revision: number, status: string) => ({
  name,
  version: revision,
  info: { status, description: "Initial install underway", first_deployed: "2026-11-27T10:00:00Z" },
  chart: { metadata: { name, version: "1.0.0" } },
  manifest: "kind: Service",
});

const record = (namespace: string, name: string, revision: number, status: string, modifiedAt?: number): Manifest =>
  helmRecord({ namespace, name, revision, status }, stored(contents(name, revision, status)), modifiedAt);

const recordsOf = async (key: string): Promise<HelmRecord[]> => (await cluster.records()).get(key) ?? [];
const newest = async (key: string): Promise<HelmRecord> => {
  const found = (await recordsOf(key)).at(-1);
  if (found === undefined) throw new Error(`no record of ${key}`);
  return found;
};

describe("Helm's records", () => {
  it("are read oldest first, with their time and who wrote them, and without what is in them", async () => {
    for (const revision of [10, 9]) await server.apply(record("istio-system", "istiod", revision, "deployed"), byHelm);
    await server.apply(record("istio-system", "istiod", 11, "pending-upgrade", 1795744047), byHelm);
    await server.apply(record("vault", "vault", 1, "deployed"), { manager: "Helm" });
    const found = await recordsOf("istio-system/istiod");
    expect(found.map(({ revision, status, byPulumi }) => [revision, status, byPulumi])).toEqual([
      [9, "deployed", true],
      [10, "deployed", true],
      [11, "pending-upgrade", true],
    ]);
    expect(found[2]?.changedAt).toEqual(new Date(1795744047 * 1000));
    expect(Math.abs((found[0]?.changedAt.getTime() ?? 0) - Date.now())).toBeLessThan(60_000);
    expect((await recordsOf("vault/vault")).map(({ byPulumi }) => byPulumi)).toEqual([false]);
  });

  it("are deleted one by one, and never one that was made anew meanwhile", async () => {
    const upgrade = await newest("istio-system/istiod");
    await expect(cluster.deleteRecord("istio-system", { ...upgrade, uid: "another" })).rejects.toThrow(
      /^the API server answers 409: .*the UID in the precondition \(another\) does not match/,
    );
    await cluster.deleteRecord("istio-system", upgrade);
    expect((await recordsOf("istio-system/istiod")).map(({ revision }) => revision)).toEqual([9, 10]);
    // One that is gone already is as it should be.
    await cluster.deleteRecord("istio-system", upgrade);
  });

  it("are marked as failed in their label and in what Helm reads, and nothing else of them changes", async () => {
    await server.apply(record("cert-manager", "cert-manager", 1, "pending-install"), byHelm);
    const before = await newest("cert-manager/cert-manager");
    await cluster.failRecord("cert-manager", before);
    const after = await newest("cert-manager/cert-manager");
    expect(after).toEqual({ ...before, status: "failed", byPulumi: true });
    const secret = (await server.call("GET", `/api/v1/namespaces/cert-manager/secrets/${before.name}`)) as Manifest & {
      data: { release: string };
    };
    expect(secret.metadata.labels).toMatchObject({
      name: "cert-manager",
      owner: "helm",
      status: "failed",
      version: "1",
    });
    const { info, ...rest } = contents("cert-manager", 1, "pending-install");
    expect(unstored(secret.data.release)).toEqual({
      ...rest,
      info: { ...info, status: "failed", description: "a run was cut off" },
    });
    await expect(cluster.failRecord("cert-manager", { ...before, uid: "another" })).rejects.toThrow("was made anew");
  });
});

describe("an object", () => {
  const store = {
    apiVersion: "networking.istio.io/v1",
    kind: "Gateway",
    name: "istio-gateway",
    namespace: "istio-system",
  };

  it("is not there, when its kind is not either", async () => {
    expect(await cluster.object(store)).toBe(undefined);
    expect(await cluster.object({ apiVersion: "v1", kind: "Namespace", name: "nowhere" })).toBe(undefined);
  });

  it("is there with the field manager that must go on", async () => {
    await install(server, await definitionsOf("istio"));
    const manifest = registrationManifest("tls-gateway");
    expect(await cluster.object(store)).toBe(undefined);
    await server.apply(manifest, byProvider);
    expect(await cluster.object(store)).toEqual({ byPulumi: true, manager: byProvider.manager });
  });

  it("is somebody else's, by who wrote it", async () => {
    await server.apply(
      { ...namespace("theirs"), metadata: { name: "theirs", labels: { a: "b" } } },
      { manager: "argocd" },
    );
    expect(await cluster.object({ apiVersion: "v1", kind: "Namespace", name: "theirs" })).toEqual({
      byPulumi: false,
      manager: undefined,
    });
    // The provider applies a namespace with nothing but its name, of which nobody is noted.
    expect((await cluster.object({ apiVersion: "v1", kind: "Namespace", name: "vault" }))?.byPulumi).toBe(true);
  });

  it("is refused in the API server's words to who may not see it", async () => {
    const guest = clusterOf(async () => server.kubeConfig("guest"), 10_000);
    await expect(guest.records()).rejects.toThrow(/^the API server answers 403: secrets is forbidden: User "guest"/);
    await expect(guest.object(store)).rejects.toThrow(
      /^the API server answers 403: .*User "guest" cannot get resource/,
    );
  });
});

describe("a cluster in which a run was killed", () => {
  it("is told of whole, by the state and the program", async () => {
    const creating = ["istio-namespace", "istio-istiod", "tls-gateway", "vault-route", "cert-manager"];
    const lost = creating.flatMap((name) => registrations.filter((it) => it.custom && it.name === name));
    const found = await findIn(lost);
    expect(found.map(({ subject, kind, steps }) => [subject, kind, ...steps.map((step) => step.do)])).toEqual([
      ["Helm release istiod in istio-system", "mend", "delete-records"],
      ["Helm release cert-manager in cert-manager", "mend", "delete-records"],
      ["Namespace istio-system", "mend", "import"],
      ["Gateway istio-system/istio-gateway", "mend", "import"],
    ]);
    const [step] = found.at(-1)?.steps ?? [];
    expect(step?.do === "import" && step.adoption).toMatchObject({
      id: "istio-system/istio-gateway",
      outputs: { __fieldManager: byProvider.manager },
    });
  });

  it("has what no run is known to have made, which is only told", async () => {
    const found = await findIn([]);
    expect(found.map(({ subject, kind }) => [subject, kind])).toEqual([
      // Failed long ago by nobody's knowledge is not: it is minutes old.
      ["Helm release cert-manager in cert-manager", "refuse"],
      ["Helm release istiod in istio-system", "tell"],
      ["Namespace istio-system", "tell"],
      ["Gateway istio-system/istio-gateway", "tell"],
    ]);
  });
});

/** A registration as the provider would apply it. */
function registrationManifest(name: string): Manifest {
  const { inputs } = named(registrations, name);
  return inputs as unknown as Manifest;
}

/** What is found where these were being made, and everything that they stand on is in the state. */
async function findIn(lost: readonly Registration[]): Promise<Finding[]> {
  const resource = ({ urn, type, custom, parent, inputs }: Registration): StateResource => ({
    ...{ urn, type, custom, inputs },
    ...(parent !== undefined && { parent }),
  });
  const state: State = {
    version: 3,
    deployment: {
      resources: registrations.filter(({ custom }) => !custom).map(resource),
      pending_operations: lost.map((it) => ({ type: "creating", resource: resource(it) })),
    },
  };
  const unused = () => {
    throw new Error("nobody is to be asked");
  };
  const settings = await settingsOf("prod", projectDirectory, examples);
  const ofCluster = registrations.filter(({ type }) => type.startsWith("kubernetes:"));
  const systems = { cluster, cloudflare: unused, vault: unused, oci: unused };
  return find({ stack: "prod", settings, registrations: ofCluster, state }, systems, new Date());
}
