import { afterAll, beforeAll, expect, it } from "vitest";
import { examples } from "../../project/placeholders.ts";
import { plain } from "../../project/registration.ts";
import { projectDirectory } from "../../project/stack.ts";
import { examineCluster } from "../../tools/doctor/cluster.ts";
import { findingsOf } from "../../tools/doctor/findings.ts";
import { runner } from "../../tools/lib/checks.ts";
import { settingsOf } from "../../tools/stack.ts";
import { named, registrationsOf } from "../harness.ts";
import { AMPLE } from "../tools/doctor/examination.ts";
import { type ApiServer, type Manifest, startApiServer } from "./api-server.ts";
import { definitionsOf, install } from "./definitions.ts";

// How the doctor tells what is this stack's own, from the first up to the destroy, of what a real API server notes. Each
// test adds to what the one before has left.

let server: ApiServer;

beforeAll(async () => {
  server = await startApiServer();
});

afterAll(() => server?.stop());

/** What is said of namespaces and services, and what else of the platform is found. */
async function examine() {
  const shipped = await settingsOf("prod", projectDirectory, examples);
  const place = { namespace: "istio-system", service: "kiali", port: 20001, host: "kiali.example.com" };
  const kiali = { name: "kiali", protocol: "http" as const, ...place };
  const settings = { ...shipped, services: [kiali] };
  const examination = { stack: "live", settings, env: {}, limits: AMPLE, run: runner(AMPLE.checkMs, "skipped") };
  const { outcomes, installed } = await examineCluster(examination, async () => server.kubeConfig());
  const said = findingsOf(outcomes)
    .filter(({ check }) => /namespaces|services/.test(check))
    .map(({ level, reason }) => `${level}: ${reason}`);
  return { said, installed };
}

const namespace = (name: string): Manifest => ({ apiVersion: "v1", kind: "Namespace", metadata: { name } });

const secret = (name: string, more: object = {}): Manifest => ({
  apiVersion: "v1",
  kind: "Secret",
  metadata: { name, namespace: "cert-manager", ...more },
});

const FREE = "ok: istio-system and external-secrets are free, or Pulumi's";
const NOT_YET =
  "warning: services entry kiali: Service kiali cannot be there yet: this up makes the namespace istio-system";
const MISSING =
  "problem: services entry kiali: Service kiali does not exist in istio-system; its host would answer 503";
const nothing = { any: false, account: null, hasCertificate: false };

it("before the first up, nothing is there, and a service waits for its namespace", async () => {
  expect(await examine()).toEqual({ said: [FREE, NOT_YET], installed: nothing });
});

it("a namespace that version 0.1.0 has applied stays its own, with a release of its own, whoever labels it", async () => {
  // With nothing but their names.
  for (const name of ["istio-system", "external-secrets"])
    await server.apply(namespace(name), { manager: "pulumi-kubernetes-3f2a91bc" });
  expect((await examine()).said).toEqual([FREE, MISSING]);

  // Of an object of which nobody is noted, an update is not noted either, and what is applied is.
  const label = { metadata: { labels: { "istio-injection": "enabled" } } };
  const path = "/api/v1/namespaces/istio-system?fieldManager=kubectl-label";
  await server.call("PATCH", path, label, "application/merge-patch+json");
  expect((await examine()).said).toEqual([FREE, MISSING]);
  const labelled = { ...namespace("istio-system"), metadata: { name: "istio-system", labels: { team: "mesh" } } };
  await server.apply(labelled, { manager: "kubectl" });
  expect((await examine()).said).toEqual([
    "problem: namespace istio-system exists, and Pulumi did not make it",
    MISSING,
  ]);

  const record: Manifest = {
    apiVersion: "v1",
    kind: "Secret",
    type: "helm.sh/release.v1",
    metadata: {
      name: "sh.helm.release.v1.istio-base.v1",
      namespace: "istio-system",
      labels: { name: "istio-base", owner: "helm", status: "deployed", version: "1" },
    },
  };
  await server.apply(record, { manager: "pulumi-kubernetes" });
  expect(await examine()).toEqual({ said: [FREE, MISSING], installed: { ...nothing, any: true } });
});

it("the account and the certificate are told by cert-manager's own notes", async () => {
  const name = "cluster-issuer-letsencrypt";
  await install(server, await definitionsOf("certManager"));
  await server.apply(namespace("cert-manager"));
  await server.apply(secret(name));
  // A key opens an account that nobody names.
  expect((await examine()).installed).toMatchObject({ account: undefined, hasCertificate: false });

  const issuer = plain(named(await registrationsOf("prod"), "issuer").inputs) as unknown as Manifest;
  await server.apply(issuer);
  const { apiVersion, kind, metadata } = issuer;
  const uri = "https://acme-v02.api.letsencrypt.org/acme/acct/1234";
  const status = { acme: { uri } };
  await server.apply({ apiVersion, kind, metadata: { name: metadata.name }, status }, { subresource: "status" });
  const issuedBy = (issuer: string) => ({ annotations: { "cert-manager.io/issuer-name": issuer } });
  await server.apply(secret("cert-manager-tls-wildcard-cluster", issuedBy(`${name}-staging`)));
  expect((await examine()).installed).toMatchObject({ account: uri, hasCertificate: false });
  await server.apply(secret("cert-manager-tls-wildcard-cluster", issuedBy(name)));
  expect((await examine()).installed).toMatchObject({ account: uri, hasCertificate: true });
});

it("a namespace that a destroy is still deleting takes nothing", async () => {
  await server.call("DELETE", "/api/v1/namespaces/istio-system");
  expect((await examine()).said[0]).toBe("problem: namespace istio-system is being deleted, and takes nothing new");
});
