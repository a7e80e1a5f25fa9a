import { beforeAll, describe, expect, it } from "vitest";
import type { Registration } from "../../../project/record.ts";
import { worldWithoutVault } from "../../../sandbox/world/beginnings.ts";
import { named } from "../../harness.ts";
import {
  access,
  accessOptions,
  asAccount,
  audit,
  labelled,
  objects,
  options,
  production,
  release,
  requests,
  sealBlock,
  sealOf,
  small,
  smallValues,
  statefulSet,
  store,
  waitsFor,
  withWorld,
} from "./objects.ts";

describe("Vault installed for small", () => {
  let all: Registration[];
  beforeAll(async () => {
    all = await withWorld("lab", { install: true, initialized: true }, worldWithoutVault());
  });

  it("is one replica that speaks HTTP, unsealed by hand", () => {
    expect(objects(all, "vault-")).toEqual({
      ...labelled,
      "vault-server": release(smallValues(small())),
      ...access,
      ...audit,
      "vault-secret": expect.objectContaining({ mount: "secret", name: "prod/cert-manager" }),
    });
    expect(named(all, "vault").inputs).toMatchObject({ address: "http://127.0.0.1:8200" });
  });

  it("is reached by External Secrets at its Service", () => {
    expect(named(all, "secret-store").inputs).toEqual(store({ server: "http://vault.vault:8200", auth: asAccount }));
  });

  it("has its access made in it, of which the mount and the backend outlive a destroy", () => {
    expect(options(all, "vault-access")).toEqual({ ...accessOptions, "vault-access-audit": {} });
    expect(options(all, "vault-server")).toEqual({ "vault-server": {}, "vault-server-namespace": {} });
  });

  it("is waited for by what needs it", () => {
    expect(waitsFor(all, "vault-server")).toEqual([]);
    expect(waitsFor(all, "vault-access")).toEqual(["vault-server"]);
    expect(waitsFor(all, "vault-secret")).toEqual(["vault-access"]);
    expect(waitsFor(all, "secret-store")).toEqual(["external-secrets", "vault-access"]);
  });

  it("takes the operator's chart, and values merged over the program's", async () => {
    const vault = { version: "0.31.0", repo: "oci://mirror/charts", values: { server: { resources: null }, ui: 1 } };
    const changed = await withWorld("lab", { install: true }, worldWithoutVault(), { charts: { vault } });
    const { values, ...rest } = named(changed, "vault-server").inputs;
    expect(rest).toMatchObject({ chart: "oci://mirror/charts/vault", version: "0.31.0", name: "vault" });
    const { server, ...others } = smallValues(small());
    expect(values).toEqual({ ...others, server: { ...server, resources: null }, ui: 1 });
  });
});

describe("Vault installed for production", () => {
  let all: Registration[];
  beforeAll(async () => {
    all = await withWorld("prod", { install: true, initialized: true }, worldWithoutVault());
  });

  it("is three replicas that speak TLS and unseal themselves", () => {
    const { keyId, endpoint } = sealOf(all);
    expect(keyId).toMatch(/^ocid1\.key\.oc1\.eu-frankfurt-1\.aaaa[0-9a-f]{32}$/);
    expect(named(all, "vault-server").inputs).toEqual(
      release({
        global: { tlsDisable: false },
        injector: { enabled: false },
        server: {
          auditStorage: { enabled: true, mountPath: "/vault/audit" },
          statefulSet,
          volumes: [{ name: "tls", secret: { secretName: "vault-tls" } }],
          volumeMounts: [{ name: "tls", mountPath: "/vault/userconfig/tls", readOnly: true }],
          extraEnvironmentVars: { VAULT_CACERT: "/vault/userconfig/tls/ca.crt" },
          ha: {
            enabled: true,
            replicas: 3,
            raft: { enabled: true, setNodeId: true, config: production(sealBlock(keyId, endpoint)) },
            disruptionBudget: { enabled: true, maxUnavailable: 1 },
          },
          resources: requests("250m", "512Mi"),
          topologySpreadConstraints: [
            "kubernetes.io/hostname",
            "topology.kubernetes.io/zone",
            "oci.oraclecloud.com/fault-domain",
          ].map((topologyKey) => ({
            maxSkew: 1,
            topologyKey,
            whenUnsatisfiable: "ScheduleAnyway",
            labelSelector: {
              matchLabels: {
                "app.kubernetes.io/name": "vault",
                "app.kubernetes.io/instance": "vault",
                component: "server",
              },
            },
          })),
        },
      }),
    );
    expect(named(all, "vault").inputs).toMatchObject({ address: "https://127.0.0.1:8200" });
  });

  it("is reached by External Secrets over TLS, with the CA that the cluster holds", () => {
    expect(named(all, "secret-store").inputs).toEqual(
      store({
        server: "https://vault.vault:8200",
        caProvider: { type: "Secret", name: "vault-tls", namespace: "vault", key: "ca.crt" },
        auth: asAccount,
      }),
    );
  });

  it("has the same access as a small one", () => {
    expect(objects(all, "vault-access")).toEqual({ ...access, ...audit });
  });
});
