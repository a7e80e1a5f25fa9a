import { readdir, readFile } from "node:fs/promises";
import * as certManager from "@kubernetes-models/cert-manager/cert-manager.io/v1";
import * as externalSecrets from "@kubernetes-models/external-secrets/external-secrets.io/v1";
import * as istio from "@kubernetes-models/istio/networking.istio.io/v1";
import { beforeAll, describe, expect, it } from "vitest";
import type { Registration } from "../project/record.ts";
import { isSecret, type Properties } from "../project/registration.ts";
import { projectDirectory } from "../project/stack.ts";
import { registrationsIn, variants } from "./variants.ts";

// Laws over every resource that the program registers, in every way of setting it up: a new resource is under them
// from the day it is written. They prove what the program asks for, not that a cloud accepts it.

const STACK = "pulumi:pulumi:Stack";
const isComponent = ({ type }: Registration) => type.startsWith("oke-platform:");
const isProvider = ({ type }: Registration) => type.startsWith("pulumi:providers:");
const isCustomResource = ({ inputs }: Registration) =>
  typeof inputs.apiVersion === "string" && String(inputs.apiVersion).includes(".");

/** Every text in a value, with the path to it; what is marked as a secret is left out. */
function texts(value: unknown, path = ""): [string, string][] {
  if (typeof value === "string") return [[path, value]];
  if (typeof value !== "object" || value === null || isSecret(value)) return [];
  return Object.entries(value).flatMap(([key, item]) => texts(item, `${path}.${key}`));
}

/** Paths of maps with nothing in them. */
function emptyMaps(value: unknown, path = ""): string[] {
  if (typeof value !== "object" || value === null) return [];
  if (!Array.isArray(value) && Object.keys(value).length === 0) return [path];
  return Object.entries(value).flatMap(([key, item]) => emptyMaps(item, `${path}.${key}`));
}

/** The published schema's validator for a manifest. */
function modelFor({ kind, apiVersion }: Properties): new (manifest: never) => { validate(): void } {
  const models = {
    "cert-manager.io/v1": certManager,
    "external-secrets.io/v1": externalSecrets,
    "networking.istio.io/v1": istio,
  };
  const model = (
    models[apiVersion as keyof typeof models] as unknown as Record<
      string,
      new (
        manifest: never,
      ) => { validate(): void }
    >
  )[String(kind)];
  if (model === undefined) throw new Error(`no schema is published for ${apiVersion} ${kind}`);
  return model;
}

describe.each(variants)("$name", (variant) => {
  let all: Registration[];
  let made: Registration[];

  beforeAll(async () => {
    all = await registrationsIn(variant);
    made = all.filter((it) => it.custom && !isProvider(it));
  });

  it("gives every resource a component, and a name that starts with the component's", () => {
    const components = new Map(all.filter(isComponent).map(({ urn, name }) => [urn, name]));
    const strays = made.filter(({ name, parent }) => !name.startsWith(components.get(parent ?? "") ?? "\0"));
    expect(made.length).toBeGreaterThan(5);
    expect(strays).toEqual([]);
  });

  it("gives every component a typed token, a name of its own and no inputs", () => {
    const components = all.filter(isComponent);
    for (const { type, inputs } of components) {
      expect(type).toMatch(/^oke-platform:platform:[A-Z][A-Za-z]+$/);
      expect(inputs).toEqual({});
    }
    expect(new Set(components.map(({ name }) => name)).size).toBe(components.length);
  });

  it("registers each URN once", () => {
    expect(new Set(all.map(({ urn }) => urn)).size).toBe(all.length);
  });

  it("puts no output into a text by accident", () => {
    const broken = all
      .flatMap(({ inputs }) => texts(inputs))
      .filter(([, text]) => /Calling \[|\[object |undefined|NaN/.test(text));
    expect(broken).toEqual([]);
  });

  it("marks every token and password as a secret wherever it goes", () => {
    const clear = all
      .flatMap(({ name, inputs }) => texts(inputs, name))
      .filter(([, text]) => /the-supplied-token|the-charts-password|dns-token-\d/.test(text));
    expect(clear).toEqual([]);
  });

  it("says how a taken name is freed, in the cluster and in Vault", () => {
    const takers = made
      // What is only read takes no name.
      .filter(({ type, name }) => /^(kubernetes|vault):/.test(type) && !name.endsWith("-service"));
    expect(takers.filter(({ options }) => !options.errorHooks.includes("taken-name"))).toEqual([]);
    expect(takers.length).toBeGreaterThan(5);
  });

  it("deploys to the cluster of the settings only through the provider made for it", () => {
    const kubernetes = all.find(({ type }) => type === "pulumi:providers:kubernetes");
    const inCluster = made.filter(({ type }) => type.startsWith("kubernetes:"));
    expect(inCluster.map(({ options }) => options.provider.split("::").slice(0, -1).join("::"))).toEqual(
      inCluster.map(() => kubernetes?.urn),
    );
  });

  it("sends custom resources that their published schemas accept", () => {
    // What the API server has itself is no chart's; a real one takes it in tests/cluster.
    const defined = made.filter(isCustomResource).filter(({ type }) => !type.includes(".k8s.io/"));
    for (const { inputs } of defined) {
      const manifest = structuredClone(inputs) as Properties & { spec: { acme?: { solvers: Properties[] } } };
      // Newer than the published schema; where it comes from stands in components/issuer.ts.
      for (const solver of manifest.spec.acme?.solvers ?? []) delete solver.waitInsteadOfSelfCheck;
      const Model = modelFor(manifest);
      expect(() => new Model(manifest as never).validate()).not.toThrow();
    }
  });

  it("waits for Ready, with a timeout, where a controller says it", () => {
    const awaited = made.filter(({ inputs }) =>
      ["ClusterSecretStore", "ExternalSecret", "ClusterIssuer", "Issuer", "Certificate"].includes(String(inputs.kind)),
    );
    for (const { inputs, options } of awaited) {
      expect((inputs.metadata as { annotations: Properties }).annotations["pulumi.com/waitFor"]).toBe(
        "condition=Ready",
      );
      expect(options.createSeconds).toBeGreaterThan(60);
    }
    expect(awaited.length).toBeGreaterThan(0);
  });

  it("leaves empty maps out of manifests, which a refresh would not find again", () => {
    // An issuer that signs for itself has nothing to say but its kind; the API server stores that map.
    const meant = ["issuer-root.spec.selfSigned", "vault-tls-ca-root.spec.selfSigned"];
    const found = made.filter(isCustomResource).flatMap(({ name, inputs }) => emptyMaps(inputs, name));
    expect(found.filter((path) => !meant.includes(path))).toEqual([]);
  });

  it("installs charts of one exact version under fixed names, awaited and never rolled back whole", () => {
    const releases = made.filter(({ type }) => type === "kubernetes:helm.sh/v3:Release");
    for (const { inputs } of releases) {
      expect(inputs).toMatchObject({
        version: expect.stringMatching(/^v?\d+\.\d+\.\d+$/),
        timeout: 1200,
        name: expect.any(String),
      });
      expect(Object.keys(inputs)).not.toEqual(expect.arrayContaining(["atomic"]));
      expect(Object.keys(inputs)).not.toEqual(expect.arrayContaining(["skipAwait"]));
    }
    expect(releases.length).toBeGreaterThanOrEqual(5);
  });

  it("hangs everything below the one stack", () => {
    expect(all.filter(({ parent }) => parent === undefined).map(({ type }) => type)).toEqual(
      expect.arrayContaining([STACK]),
    );
    const providers = all.filter((it) => it.parent === undefined && it.type !== STACK);
    expect(providers.filter((it) => !isProvider(it))).toEqual([]);
  });
});

describe("the program's text", () => {
  it("has the reason of every dependency on the line above it", async () => {
    const components = await readdir(`${projectDirectory}components`, { recursive: true });
    const files = ["index.ts", ...components.filter((it) => it.endsWith(".ts")).map((file) => `components/${file}`)];
    const bare: string[] = [];
    let edges = 0;
    for (const file of files) {
      const lines = (await readFile(`${projectDirectory}${file}`, "utf8")).split("\n").map((line) => line.trim());
      for (const [index, line] of lines.entries()) {
        if (!/^(dependsOn: |in(Cluster|Vault)\()/.test(line)) continue;
        // A list of several has a reason for each.
        const end = /[[(]$/.test(line) ? lines.findIndex((later, at) => at > index && /^[\])],$/.test(later)) : index;
        const targets =
          end === index
            ? [index]
            : Array.from({ length: end - index - 1 }, (_, at) => index + 1 + at).filter(
                (at) => !lines[at]?.startsWith("//"),
              );
        edges += targets.length;
        bare.push(
          ...targets.filter((at) => !lines[at - 1]?.startsWith("//")).map((at) => `${file}:${at + 1} ${lines[at]}`),
        );
      }
    }
    expect(bare).toEqual([]);
    expect(edges).toBe(21);
  });
});
