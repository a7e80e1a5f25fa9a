import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { json } from "node:stream/consumers";
import type { KubeConfig, KubernetesObject } from "@kubernetes/client-node";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { kubeConfigTo } from "../tools/cluster-api.ts";
import { issuances, isThere, nodePortsOf, refuseUsedCluster, removeAll, startStandIns } from "./cluster.ts";
import { namespacesAndServices, workloads } from "./fixtures.ts";

// What the end-to-end test does to its cluster, against an API server that keeps what it is given. It stands in for the
// controllers too, in one step: a Deployment is available when it was watched, and a namespace gone.

interface Kept extends KubernetesObject {
  readonly metadata: { name: string; namespace?: string; labels?: Record<string, string> };
  spec?: Record<string, unknown>;
  status?: Record<string, unknown>;
}

/** The kinds of each version, by plural. */
const KINDS: Record<string, Record<string, string>> = {
  "/api/v1": {
    namespaces: "Namespace",
    services: "Service",
    secrets: "Secret",
    configmaps: "ConfigMap",
    serviceaccounts: "ServiceAccount",
    pods: "Pod",
    nodes: "Node",
  },
  "/apis/apps/v1": { deployments: "Deployment" },
  "/apis/rbac.authorization.k8s.io/v1": { clusterrolebindings: "ClusterRoleBinding" },
  "/apis/cert-manager.io/v1": { certificaterequests: "CertificateRequest" },
  "/apis/acme.cert-manager.io/v1": { orders: "Order" },
};
const CLUSTER_WIDE = ["namespaces", "nodes", "clusterrolebindings"];

class Cluster {
  /** By path. */
  readonly objects = new Map<string, Kept>();
  /** What was made and deleted, in its order. */
  readonly log: string[] = [];
  readonly #sockets = new Set<Socket>();
  readonly #server = createServer((request, response) => void this.#answer(request, response));

  async start(): Promise<KubeConfig> {
    this.#server.on("connection", (socket) => this.#sockets.add(socket));
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    return kubeConfigTo((this.#server.address() as AddressInfo).port);
  }

  async close(): Promise<void> {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await once(this.#server, "close");
  }

  put(path: string, object: Partial<Kept> = {}): void {
    const [, namespace] = /\/namespaces\/([^/]+)\//.exec(path) ?? [];
    const name = path.slice(path.lastIndexOf("/") + 1);
    this.objects.set(path, { ...object, metadata: { name, ...(namespace && { namespace }), ...object.metadata } });
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url ?? "", "http://api");
    const send = (code: number, body: object) => {
      response.writeHead(code, { "content-type": "application/json" });
      response.end(JSON.stringify(body));
    };
    const notFound = () => send(404, { kind: "Status", code: 404, reason: "NotFound" });
    const kinds = KINDS[pathname];
    if (kinds !== undefined) {
      const resources = Object.entries(kinds).map(([name, kind]) => ({
        name,
        kind,
        namespaced: !CLUSTER_WIDE.includes(name),
        verbs: [],
      }));
      send(200, { kind: "APIResourceList", groupVersion: pathname.replace(/^\/apis?\//, ""), resources });
    } else if (request.method === "POST") {
      const object = (await json(request)) as Kept;
      const path = `${pathname}/${object.metadata.name}`;
      const { namespace } = object.metadata;
      if (namespace !== undefined && !this.objects.has(`/api/v1/namespaces/${namespace}`)) return notFound();
      if (this.objects.has(path)) return send(409, { kind: "Status", code: 409, reason: "AlreadyExists" });
      if (object.kind === "Service") object.spec = { ...object.spec, clusterIP: "10.96.0.10" };
      this.objects.set(path, object);
      this.log.push(`+ ${object.kind} ${object.metadata.name}`);
      send(201, object);
    } else if (request.method === "DELETE") {
      const object = this.objects.get(pathname);
      if (object === undefined) return notFound();
      this.log.push(`- ${pathname.slice(pathname.lastIndexOf("/") + 1)}`);
      if (pathname.startsWith("/api/v1/namespaces/")) object.status = { phase: "Terminating" };
      else this.objects.delete(pathname);
      send(200, object);
    } else if (searchParams.get("watch") === "true") {
      const [, name = ""] = searchParams.get("fieldSelector")?.split("=") ?? [];
      response.writeHead(200, { "content-type": "application/json" });
      response.flushHeaders();
      const path = `${pathname}/${name}`;
      const object = this.objects.get(path);
      const isTerminating = object?.status?.phase === "Terminating";
      if (isTerminating) this.objects.delete(path);
      else if (object !== undefined) object.status = { availableReplicas: 1 };
      response.write(`${JSON.stringify({ type: isTerminating ? "DELETED" : "MODIFIED", object })}\n`);
    } else if (this.objects.has(pathname)) {
      send(200, this.objects.get(pathname) ?? {});
    } else {
      const [label, value] = searchParams.get("labelSelector")?.split("=") ?? [];
      const collection = pathname.slice(pathname.lastIndexOf("/") + 1);
      if (!Object.values(KINDS).some((known) => collection in known)) return notFound();
      const items = [...this.objects]
        .filter(([path]) => path.slice(0, path.lastIndexOf("/")) === pathname)
        .map(([, object]) => object)
        .filter(({ metadata }) => label === undefined || metadata.labels?.[label] === value);
      send(200, { kind: "List", metadata: {}, items });
    }
  }
}

const E2E = "/api/v1/namespaces/oke-platform-e2e";

let cluster: Cluster;
let kubeConfig: KubeConfig;
beforeEach(async () => {
  cluster = new Cluster();
  kubeConfig = await cluster.start();
});
afterEach(() => cluster.close());

describe("the stand-ins", () => {
  it("are all made, the namespaces first, and reached where it says", async () => {
    // The Deployments' pods.
    for (const name of ["cloudflare", "pebble", "vault"])
      cluster.put(`${E2E}/pods/${name}-0`, { metadata: { name: `${name}-0`, labels: { app: name } } });
    const standIns = await startStandIns(kubeConfig, "platform.test");
    try {
      const options = { ...standIns, zone: "platform.test", tls: { cert: "", key: "" } };
      const all = [...namespacesAndServices(), ...workloads(options, "10.96.0.10")];
      expect(cluster.log).toEqual(all.map(({ kind, metadata }) => `+ ${kind} ${metadata?.name}`));
      expect(standIns.cloudflareIp).toBe("10.96.0.10");
      expect(standIns.vaultAddress).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
      expect(standIns.cloudflareUrl).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/client\/v4\/$/);
      expect(standIns.token).toMatch(/^[0-9a-f]{40}$/);
      const pebble = JSON.stringify(
        cluster.objects.get("/apis/apps/v1/namespaces/oke-platform-e2e/deployments/pebble"),
      );
      expect(pebble).toContain("10.96.0.10:53");
      const secret = cluster.objects.get(`${E2E}/secrets/cloudflare`) as unknown as {
        stringData: Record<string, string>;
      };
      expect(secret.stringData.TOKEN).toBe(standIns.token);
    } finally {
      await standIns.close();
    }
  });

  it("are removed with what a destroy keeps, and awaited to be gone", async () => {
    cluster.put("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/oke-platform-e2e-vault");
    for (const name of ["cert-manager", "oke-platform-e2e", "oke-platform-e2e-evil", "default"])
      cluster.put(`/api/v1/namespaces/${name}`);
    await removeAll(kubeConfig);
    expect(cluster.log).toEqual([
      "- oke-platform-e2e-vault",
      "- cert-manager",
      "- oke-platform-e2e",
      "- oke-platform-e2e-evil",
    ]);
    expect([...cluster.objects.keys()]).toEqual(["/api/v1/namespaces/default"]);
  });
});

describe("the cluster", () => {
  it("is refused when it has anything of the platform, with the names", async () => {
    cluster.put("/api/v1/namespaces/default");
    await refuseUsedCluster(kubeConfig);
    for (const name of ["istio-system", "cert-manager"]) cluster.put(`/api/v1/namespaces/${name}`);
    await expect(refuseUsedCluster(kubeConfig)).rejects.toThrow(
      /has the namespaces cert-manager, istio-system already; the end-to-end test needs a cluster of its own/,
    );
    expect(cluster.log).toEqual([]);
  });

  it("tells what is there from what is not, and passes on what is neither", async () => {
    expect(await isThere(Promise.resolve())).toBe(true);
    await expect(isThere(Promise.reject(new Error("no connection")))).rejects.toThrow("no connection");
  });

  it("tells how often something was issued", async () => {
    expect(await issuances(kubeConfig)).toEqual({ certificaterequests: 0, orders: 0 });
    cluster.put("/apis/cert-manager.io/v1/namespaces/cert-manager/certificaterequests/one");
    cluster.put("/apis/acme.cert-manager.io/v1/namespaces/cert-manager/orders/one");
    cluster.put("/apis/acme.cert-manager.io/v1/namespaces/elsewhere/orders/two");
    expect(await issuances(kubeConfig)).toEqual({ certificaterequests: 1, orders: 1 });
  });

  it("has the gateway at two ports of a node, or says why not", async () => {
    const service = "/api/v1/namespaces/istio-system/services/istio-ingressgateway";
    const ports = [
      { port: 80, nodePort: 30080 },
      { port: 443, nodePort: 30443 },
    ];
    cluster.put(service, { spec: { type: "NodePort", ports } });
    const addresses = [
      { type: "Hostname", address: "node" },
      { type: "InternalIP", address: "172.18.0.2" },
    ];
    cluster.put("/api/v1/nodes/node", { status: { addresses } });
    expect(await nodePortsOf(kubeConfig)).toEqual({ ip: "172.18.0.2", http: 30080, https: 30443 });
    expect((await nodePortsOf(kubeConfig, "192.0.2.1")).ip).toBe("192.0.2.1");
    cluster.put(service, { spec: { type: "ClusterIP", ports: [{ port: 80 }, { port: 443 }] } });
    await expect(nodePortsOf(kubeConfig)).rejects.toThrow(
      "the gateway's Service of type ClusterIP has no node port for 80; E2E_SERVICE_TYPE",
    );
  });
});
