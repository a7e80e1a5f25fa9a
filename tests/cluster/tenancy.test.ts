import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { plain } from "../../project/registration.ts";
import { type Changes, registrationsOf } from "../harness.ts";
import { type ApiServer, type Manifest, Refusal, startApiServer } from "./api-server.ts";
import { denied, ISSUER, notGiven, route, signed, taken } from "./attempts.ts";
import { findTypeChecker } from "./binaries.ts";
import { definitionsOf, install } from "./definitions.ts";

// What a real API server refuses by the program's policies. One process for the whole file, in which they are made, changed,
// destroyed and made again, in this order.

let server: ApiServer;

const namespace = (name: string): Manifest => ({ apiVersion: "v1", kind: "Namespace", metadata: { name } });

beforeAll(async () => {
  server = await startApiServer();
  const definitions = await Promise.all((["certManager", "istio", "externalSecrets"] as const).map(definitionsOf));
  await install(server, definitions.flat());
  for (const name of ["evil", "vault", "argocd", "cert-manager", "istio-system", "guest"])
    await server.apply(namespace(name));
});

afterAll(() => server?.stop());

const isPolicy = ({ kind }: Manifest) => kind.startsWith("ValidatingAdmissionPolicy");

/** The objects of the prod stack with changes, by its resources' names. */
async function objectsOf(changes: Changes = {}): Promise<Manifest[]> {
  const registrations = await registrationsOf("prod", changes);
  return (
    registrations
      .filter(({ custom, type }) => custom && type.startsWith("kubernetes:"))
      .map(({ inputs }) => plain(inputs) as unknown as Manifest)
      // The charts' are Helm's.
      .filter(({ kind }) => kind !== undefined)
  );
}

async function applyPolicies(changes: Changes = {}): Promise<Manifest[]> {
  const policies = (await objectsOf(changes)).filter(isPolicy);
  for (const policy of policies) await server.apply(policy);
  return policies;
}

/** What the controller manager, which is not there, would write to the status of policies. */
async function typeWarnings(policies: readonly Manifest[]): Promise<string[]> {
  const { path } = await findTypeChecker();
  const directory = await mkdtemp(join(tmpdir(), "oke-platform-policies-"));
  try {
    const file = join(directory, "kubeconfig");
    await writeFile(file, server.kubeConfig().exportConfig());
    const checked = promisify(execFile)(path, [file], { maxBuffer: 1 << 26 });
    checked.child.stdin?.end(JSON.stringify(policies));
    const { stdout } = await checked;
    return (JSON.parse(stdout) as { fieldRef: string; warning: string }[]).map(
      ({ fieldRef, warning }) => `${fieldRef}: ${warning}`,
    );
  } finally {
    await rm(directory, { recursive: true });
  }
}

/** What the API server says; undefined when it takes it. */
async function refusalOf(manifest: Manifest, dryRun = true): Promise<string | undefined> {
  try {
    await server.apply(manifest, { dryRun });
    return undefined;
  } catch (error) {
    if (error instanceof Refusal) return `${error.code} ${error.message}`;
    throw error;
  }
}

/** Milliseconds until it is refused, or is no more. */
async function until(refused: boolean, manifest: Manifest): Promise<number> {
  const start = performance.now();
  while (((await refusalOf(manifest)) !== undefined) !== refused) {
    if (performance.now() - start > 20_000) throw new Error(`it was never ${refused ? "refused" : "allowed"}`);
    await pause(20);
  }
  return performance.now() - start;
}

describe("before the policies", () => {
  it("takes what others route and ask to have signed", async () => {
    await server.apply(route("evil", ["vault.cluster.example.com"], { name: "before" }));
    await server.apply(signed("evil")[0] as Manifest);
    for (const manifest of signed("evil")) expect(await refusalOf(manifest)).toBe(undefined);
  });
});

describe("the policies of the prod stack", () => {
  it("are in force within seconds, and are not refused themselves", async () => {
    await applyPolicies();
    const [certificate] = signed("argocd");
    const seconds = [
      await until(true, route("evil", ["vault.cluster.example.com"])),
      await until(true, certificate as Manifest),
    ];
    expect(Math.max(...seconds)).toBeLessThan(10_000);
  });

  it("compile, and fit the kinds that they judge", async () => {
    const policies = (await objectsOf()).filter(({ kind }) => kind === "ValidatingAdmissionPolicy");
    expect(await typeWarnings(policies)).toEqual([]);
    // It looks at what must hold and at its sentence alone: so every other expression, too, as if it had to hold.
    const all = policies.map((policy) => {
      const spec = policy.spec as Record<"matchConditions" | "variables" | "validations", { expression: string }[]>;
      const { matchConditions, variables = [], validations } = spec;
      const expressions = [...matchConditions, ...variables, ...validations].map(({ expression }) => ({ expression }));
      return { ...policy, spec: { ...spec, validations: expressions } };
    });
    expect(await typeWarnings(all)).toEqual([]);
    const broken = JSON.parse(
      JSON.stringify(all).replaceAll(".?hosts", ".?hostz").replaceAll(".?issuerRef", ".?issuer"),
    );
    // For the issuer three times in each of four kinds, and once for the hosts.
    expect((await typeWarnings(broken)).map((warning) => warning.match(/undefined field '\w+'/g))).toEqual([
      Array(12).fill("undefined field 'issuer'"),
      ["undefined field 'hostz'"],
    ]);
  });

  it.each<[what: string, manifest: Manifest, refusal?: string]>([
    ["its own host", route("vault", ["vault.cluster.example.com"])],
    ["another's", route("evil", ["vault.cluster.example.com"]), taken("vault.cluster.example.com", "evil", "vault")],
    [
      "another's, asked in v1beta1",
      route("argocd", ["vault.cluster.example.com"], { version: "v1beta1" }),
      taken("vault.cluster.example.com", "argocd", "vault"),
    ],
    [
      "another's, asked in v1alpha3",
      route("argocd", ["vault.cluster.example.com"], { version: "v1alpha3" }),
      taken("vault.cluster.example.com", "argocd", "vault"),
    ],
    [
      "another's, in other letters",
      route("evil", ["Vault.cluster.example.com."]),
      taken("vault.cluster.example.com", "evil", "vault"),
    ],
    [
      "another's, by the Gateway's dotted name",
      route("evil", ["vault.cluster.example.com"], { gateway: "istio-gateway.istio-system.svc.cluster.local" }),
      taken("vault.cluster.example.com", "evil", "vault"),
    ],
    [
      "another's, beside the Gateway",
      route("istio-system", ["vault.cluster.example.com"], { gateway: "./istio-gateway" }),
      taken("vault.cluster.example.com", "istio-system", "vault"),
    ],
    ["a host of nobody", route("vault", ["new.cluster.example.com"]), notGiven("new.cluster.example.com", "vault")],
    ["all hosts", route("argocd", ["*"]), notGiven("*", "argocd")],
    ["a host elsewhere", route("evil", ["www.example.org"])],
    ["a Gateway of its own", route("evil", ["*", "vault.cluster.example.com"], { gateway: "istio-gateway" })],
  ])("let a namespace have, or refuse it, %s", async (_what, manifest, refusal) => {
    expect(await refusalOf(manifest)).toBe(refusal);
  });

  it("let the platform have what it makes, again and again", async () => {
    const objects = (await objectsOf()).filter((it) => /VirtualService|Certificate$|Gateway/.test(it.kind));
    expect(objects.map(({ kind }) => kind).sort()).toEqual([
      "Certificate",
      "Gateway",
      "VirtualService",
      "VirtualService",
    ]);
    for (const _ of [1, 2]) for (const object of objects) await server.apply(object);
  });

  it("refuse everything that would have the platform's issuer sign for others", async () => {
    const plurals = {
      Certificate: "certificates.cert-manager.io",
      CertificateRequest: "certificaterequests.cert-manager.io",
      Order: "orders.acme.cert-manager.io",
      Challenge: "challenges.acme.cert-manager.io",
    };
    for (const manifest of signed("argocd"))
      expect(await refusalOf(manifest)).toBe(
        denied(
          `${plurals[manifest.kind as keyof typeof plurals]} "tls"`,
          "oke-platform-cluster-issuer-letsencrypt",
          "ClusterIssuer cluster-issuer-letsencrypt is the platform's and does not sign for namespace argocd. Use an issuer of your own, or have whoever runs the platform add argocd to tenancy.certificates",
        ),
      );
    for (const manifest of [
      ...signed("argocd", { ...ISSUER, kind: "Issuer" }),
      ...signed("argocd", { ...ISSUER, name: "mine" }),
      ...signed("argocd", { ...ISSUER, group: "example.com" }),
      ...signed("cert-manager"),
    ])
      expect(await refusalOf(manifest)).toBe(undefined);
  });

  it("leave alone what was there before, until its spec changes, and never keep it from going", async () => {
    const before = route("evil", ["vault.cluster.example.com"], { name: "before" });
    await server.apply({ ...before, metadata: { ...before.metadata, labels: { team: "evil" } } });
    const path = "/apis/networking.istio.io/v1/namespaces/evil/virtualservices/before";
    const patch = (body: object) => server.call("PATCH", path, body, "application/merge-patch+json");
    await patch({ metadata: { finalizers: ["example.com/held"] } });
    expect(
      await refusalOf({ ...before, spec: { ...(before.spec as object), hosts: ["argocd.cluster.example.com"] } }),
    ).toMatch(/argocd\.cluster\.example\.com is not for namespace evil/);
    await server.call("DELETE", path);
    await patch({ metadata: { finalizers: [] } });
    await expect(server.call("GET", path)).rejects.toThrow("not found");
    await server.call("DELETE", "/apis/cert-manager.io/v1/namespaces/evil/certificates/tls");
  });
});

describe("other tables", () => {
  it("take the place of the one before within seconds", async () => {
    const services = [{ name: "vault", namespace: "argocd", port: 8200 }];
    await applyPolicies({ services, tenancy: { routes: ["guest"], certificates: ["guest"] } });
    await until(false, route("argocd", ["vault.cluster.example.com"]));
    expect(await refusalOf(route("vault", ["vault.cluster.example.com"]))).toBe(
      taken("vault.cluster.example.com", "vault", "argocd"),
    );
    expect(await refusalOf(route("guest", ["new.cluster.example.com", "*"]))).toBe(undefined);
    expect(await refusalOf(route("guest", ["vault.cluster.example.com"]))).toBe(
      taken("vault.cluster.example.com", "guest", "argocd"),
    );
    await until(false, signed("guest")[0] as Manifest);
    expect(await refusalOf(signed("evil")[0] as Manifest)).toMatch(/^403 /);
  });

  it("may have no host at all", async () => {
    await applyPolicies({ services: [] });
    await until(true, route("argocd", ["vault.cluster.example.com"]));
    expect(await refusalOf(route("argocd", ["vault.cluster.example.com"]))).toBe(
      notGiven("vault.cluster.example.com", "argocd"),
    );
  });

  it("may have a thousand hosts with the longest names, and two thousand shorter ones", async () => {
    for (const [count, name, at] of [
      [1000, 60, 63],
      [2000, 20, 20],
    ] as const) {
      const services = Array.from({ length: count }, (_, index) => ({
        name: `s${String(index).padStart(name - 1, "0")}`,
        namespace: `n${String(index).padStart(at - 1, "0")}`,
        port: 80,
      }));
      const [last, other] = [services.at(-1), services[0]];
      await applyPolicies({ services });
      const host = `${last?.name}.cluster.example.com`;
      for (const { namespace: of } of [last, other].flatMap((it) => it ?? [])) await server.apply(namespace(of));
      await until(false, route(last?.namespace ?? "", [host]));
      const start = performance.now();
      expect(await refusalOf(route(other?.namespace ?? "", [host]))).toBe(
        taken(host, other?.namespace ?? "", last?.namespace ?? ""),
      );
      expect(performance.now() - start).toBeLessThan(5000);
      // As many hosts as anybody has in one VirtualService cost no more than an evaluation may.
      const many = Array.from({ length: 200 }, (_, index) => `www${index}.example.org`);
      expect(await refusalOf(route(other?.namespace ?? "", many))).toBe(undefined);
    }
  });
});

describe("a destroy", () => {
  const paths = async () =>
    (await objectsOf()).filter(isPolicy).map(({ kind, metadata }) => {
      const plural =
        kind === "ValidatingAdmissionPolicy" ? "validatingadmissionpolicies" : "validatingadmissionpolicybindings";
      return `/apis/admissionregistration.k8s.io/v1/${plural}/${metadata.name}`;
    });

  it("takes the policies away, and an up on the same API server puts them in force again", async () => {
    for (const _ of [1, 2]) {
      for (const path of (await paths()).reverse()) await server.call("DELETE", path);
      await until(false, route("evil", ["vault.cluster.example.com"]));
      await until(false, signed("evil")[0] as Manifest);
      await applyPolicies();
      await until(true, route("evil", ["vault.cluster.example.com"]));
      await until(true, signed("evil")[0] as Manifest);
      expect(await refusalOf(route("vault", ["vault.cluster.example.com"]))).toBe(undefined);
      expect(await refusalOf(signed("cert-manager")[0] as Manifest)).toBe(undefined);
    }
  });
});
