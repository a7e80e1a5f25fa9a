import { describe, expect, it } from "vitest";
import { CA_CONFIG_MAP, type FixtureOptions, namespacesAndServices, standInFiles, workloads } from "./fixtures.ts";

// Whether what the end-to-end test brings fits together.

describe("what it brings into the cluster", () => {
  // Of a Deployment, a Service, a Secret and a ConfigMap, what is read here.
  interface Brought {
    readonly kind: string;
    readonly metadata: { readonly name: string; readonly namespace?: string };
    readonly data?: Record<string, string>;
    readonly stringData?: Record<string, string>;
    readonly spec: {
      readonly ports: { port: number; targetPort: number }[];
      readonly template: {
        spec: {
          containers: { image: string; env?: { valueFrom?: { secretKeyRef: { name: string; key: string } } }[] }[];
          volumes: {
            secret?: { secretName: string; items: { key: string }[] };
            configMap?: { name: string; items?: { key: string; path: string }[] };
          }[];
        };
      };
    };
  }
  const options: FixtureOptions = {
    zone: "platform.test",
    token: "the stand-in's token",
    vaultToken: "Vault's token",
    tls: { cert: "the certificate", key: "the key" },
    root: "the root",
  };
  const objects = [...namespacesAndServices(), ...workloads(options, "10.96.0.10")] as unknown as Brought[];
  const find = (kind: string, name: string) => {
    const found = objects.find((object) => object.kind === kind && object.metadata.name === name);
    if (found === undefined) throw new Error(`there is no ${kind} ${name}`);
    return found;
  };
  const deployments = objects.filter(({ kind }) => kind === "Deployment");

  it("is each object once, after its namespace", () => {
    const names = objects.map(({ kind, metadata: { namespace, name } }) => `${kind} ${namespace ?? ""}/${name}`);
    expect(new Set(names).size).toBe(names.length);
    for (const [index, { metadata }] of objects.entries()) {
      if (metadata.namespace === undefined) continue;
      expect(names.indexOf(`Namespace /${metadata.namespace}`), names[index]).toBeLessThan(index);
      expect(names).toContain(`Namespace /${metadata.namespace}`);
    }
  });

  it("mounts and reads what is there", () => {
    expect(deployments.map(({ metadata }) => metadata.name).sort()).toEqual(["cloudflare", "echo", "pebble", "vault"]);
    for (const { metadata, spec } of deployments) {
      expect(find("Service", metadata.name).spec.ports.length).toBeGreaterThan(0);
      for (const { secret, configMap } of spec.template.spec.volumes) {
        const data = secret
          ? find("Secret", secret.secretName).stringData
          : find("ConfigMap", configMap?.name ?? "").data;
        const items = secret?.items ?? configMap?.items ?? [];
        expect(Object.keys(data ?? {})).toEqual(expect.arrayContaining(items.map(({ key }) => key)));
      }
      for (const { env = [], image } of spec.template.spec.containers) {
        expect(image).toMatch(/^[\w./-]+:\d+\.\d+\.\d+(-\w+)?$/);
        for (const { valueFrom } of env) {
          const { name = "", key = "" } = valueFrom?.secretKeyRef ?? {};
          if (valueFrom !== undefined) expect(find("Secret", name).stringData).toHaveProperty(key);
        }
      }
    }
  });

  it("has the CA that cert-manager is told to mount, where that looks for it", () => {
    const { metadata, data } = find("ConfigMap", CA_CONFIG_MAP);
    expect({ namespace: metadata.namespace, data }).toEqual({
      namespace: "cert-manager",
      data: { "ca.crt": "the root" },
    });
  });

  it("puts the stand-in's files where its program looks for them", () => {
    const { data = {} } = find("ConfigMap", "cloudflare");
    for (const key of Object.keys(data)) expect(key).toMatch(/^[-._a-zA-Z0-9]+$/);
    const volumes = find("Deployment", "cloudflare").spec.template.spec.volumes;
    const items = volumes.flatMap(({ configMap }) => configMap?.items ?? []);
    expect(Object.fromEntries(items.map(({ key, path }) => [path, data[key]]))).toEqual(standInFiles());
    // What a ConfigMap takes: https://kubernetes.io/docs/concepts/configuration/configmap/
    expect(JSON.stringify(data).length).toBeLessThan(1_000_000);
  });

  it("has secrets in Secrets alone", () => {
    for (const object of objects.filter(({ kind }) => kind !== "Secret"))
      expect(JSON.stringify(object)).not.toMatch(/the stand-in's token|Vault's token|the key/);
  });

  it("lets Pebble ask the stand-in's DNS, where its Service has it", () => {
    expect(JSON.stringify(find("Deployment", "pebble"))).toContain('"-dnsserver","10.96.0.10:53"');
    const ports = find("Service", "cloudflare").spec.ports.filter(({ port }) => port === 53);
    expect(ports.map(({ targetPort }) => targetPort)).toEqual([5353, 5353]);
    expect(JSON.stringify(find("Deployment", "cloudflare"))).toContain('{"name":"DNS_PORT","value":"5353"}');
  });
});
