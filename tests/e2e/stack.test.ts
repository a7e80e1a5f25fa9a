import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { projectDirectory } from "../../project/stack.ts";
import { charts } from "../../versions.ts";
import { newIssuer } from "../pki.ts";
import { CA_CONFIG_MAP, NAMESPACE, TLS_NAMES } from "./fixtures.ts";
import { settingsIn, valuesOf, wishesOf, withIstio, withService } from "./stack.ts";

const read = (file: string) => readFile(join(projectDirectory, file), "utf8");

describe("the stack", () => {
  const run = {
    cluster: { context: "kind-test", kubeconfig: "some/kubeconfig" },
    vaultAddress: "http://127.0.0.1:4001",
    cloudflareUrl: "http://127.0.0.1:4002/client/v4/",
    cloudflareIp: "10.96.0.10",
    token: "0123456789abcdef0123456789abcdef01234567",
    root: "",
  };
  beforeAll(async () => {
    run.root = (await newIssuer("e2e")).root;
  });

  it("has what only the run knows, and keeps every rule of the settings", async () => {
    const values = await valuesOf(run, {});
    expect(values["cloudflare:baseUrl"]).toBe(run.cloudflareUrl);
    // The engine stores it as a secret.
    expect(JSON.stringify(values)).not.toContain(run.token);
    expect(settingsIn(values, run.token)).toMatchObject({
      cluster: run.cluster,
      hosts: ["*.cluster.platform.test", "cluster.platform.test"],
      issuer: {
        kind: "acme",
        directory: `https://${TLS_NAMES[1]}:14000/dir`,
        caBundle: run.root,
        propagationSeconds: 0,
      },
      vault: {
        address: run.vaultAddress,
        clusterAddress: `http://vault.${NAMESPACE}:8200`,
        access: "managed",
        token: { kind: "supplied", value: run.token },
      },
      gateway: { serviceType: "NodePort" },
      services: [{ host: "echo.cluster.platform.test", service: "echo", namespace: NAMESPACE, port: 80 }],
    });
  });

  it("leads cert-manager to the stand-in by the names that its chart has for that", async () => {
    const { charts } = settingsIn(await valuesOf(run, {}), run.token);
    expect(charts.certManager.values).toEqual({
      hostAliases: [{ ip: "10.96.0.10", hostnames: [TLS_NAMES[0]] }],
      volumes: [{ name: "e2e-ca", configMap: { name: CA_CONFIG_MAP } }],
      volumeMounts: [{ name: "e2e-ca", mountPath: "/e2e-ca", readOnly: true }],
      extraEnv: [{ name: "SSL_CERT_DIR", value: "/e2e-ca" }],
    });
  });

  it("takes a mirror, a type of Service and a release of Istio from the environment", async () => {
    const env = {
      E2E_CHARTS_MIRROR: "oci://registry.test/charts",
      E2E_SERVICE_TYPE: "LoadBalancer",
      E2E_ISTIO_FROM: "",
    };
    const { charts, gateway } = settingsIn(await valuesOf(run, wishesOf(env)), run.token);
    expect(gateway.serviceType).toBe("LoadBalancer");
    for (const { repo } of Object.values(charts)) expect(repo).toBe("oci://registry.test/charts");
    const shipped = parse(await read("Pulumi.e2e.yaml")).config["oke-platform:charts"];
    expect(charts.istio.version).toBe(shipped.istio.version);
    const older = settingsIn(await valuesOf(run, wishesOf({ E2E_ISTIO_FROM: "1.29.9" })), run.token);
    expect(older.charts.istio.version).toBe("1.29.9");
    await expect(async () =>
      settingsIn(await valuesOf(run, wishesOf({ E2E_SERVICE_TYPE: "ExternalName" })), run.token),
    ).rejects.toThrow('gateway.serviceType is "ExternalName"');
  });

  it("goes on from step to step with one change each", async () => {
    const values = await valuesOf(run, {});
    const before = settingsIn(values, run.token);
    const more = settingsIn(
      withService(values, { name: "one-more", namespace: NAMESPACE, service: "echo", port: 80 }),
      run.token,
    );
    expect({ ...more, services: more.services.slice(0, 1) }).toEqual(before);
    expect(more.services[1]?.host).toBe("one-more.cluster.platform.test");
    const newer = settingsIn(withIstio(values), run.token);
    expect(newer.charts.istio.version).toBe(charts.istio.version);
    expect({ ...newer, charts: { ...newer.charts, istio: before.charts.istio } }).toEqual(before);
    expect(values).toEqual(await valuesOf(run, {}));
  });
});
