import { createServer as createTcpServer } from "node:net";
import { describe, expect, it } from "vitest";
import { vaultApi } from "../../../tools/vault/api.ts";
import { forward, readyPod } from "../../../tools/vault/port-forward.ts";
import { listening } from "../../e2e/cloudflare.ts";
import { vaultPod } from "../vault-cluster.ts";
import { closedLater, cluster, FakeVault, kubeConfig, PODS, setUpVault } from "./scene.ts";

setUpVault();

describe("a port-forward", () => {
  it("carries requests to a pod, many at once, and each to its end", async () => {
    const vault = new FakeVault();
    cluster.podPorts.set("vault-0", await vault.start());
    const way = await forward(kubeConfig, { namespace: "vault", pod: "vault-0", port: 8200 });
    closedLater(way);
    const api = vaultApi(`http://127.0.0.1:${way.port}`);
    const body = { text: "x".repeat(300_000) };
    const answers = await Promise.all(Array.from({ length: 8 }, () => api.ask("PUT", "secret/data/x", { body })));
    expect(answers.map(({ status }) => status)).toEqual(Array(8).fill(204));
    expect(vault.requests).toHaveLength(8);
    expect(cluster.requests).toContain("UPGRADE /api/v1/namespaces/vault/pods/vault-0/portforward?ports=8200");
    await expect.poll(() => cluster.channels.size).toBe(0);
  });

  it("ends with its connections", async () => {
    const silent = await listening(createTcpServer());
    closedLater(silent);
    cluster.podPorts.set("vault-0", silent.port);
    const way = await forward(kubeConfig, { namespace: "vault", pod: "vault-0", port: 8200 });
    const asked = expect(vaultApi(`http://127.0.0.1:${way.port}`).ask("GET", "sys/health")).rejects.toThrow(
      "does not answer GET sys/health",
    );
    await expect.poll(() => cluster.channels.size).toBe(1);
    await way.close();
    await asked;
    await expect.poll(() => cluster.channels.size).toBe(0);
  });

  it.each([
    ["the kubelet's words", "vault-0", "dial tcp4 127.0.0.1:8200: connect: connection refused", /connection refused/],
    ["the API server's status", "vault-9", "", /port-forward to pod vault-9: .*404/],
  ])("says in %s why it cannot", async (_whose, pod, words, expected) => {
    cluster.podPorts.set("vault-0", words);
    const way = await forward(kubeConfig, { namespace: "vault", pod, port: 8200 });
    closedLater(way);
    const api = vaultApi(`http://127.0.0.1:${way.port}`, undefined, way.failure);
    await expect(api.ask("GET", "sys/health")).rejects.toThrow(expected);
  });

  it("fails when the local port is taken, with another to try", async () => {
    const other = await listening(createTcpServer());
    closedLater(other);
    await expect(forward(kubeConfig, { namespace: "vault", pod: "vault-0", port: 8200 }, other.port)).rejects.toThrow(
      `port ${other.port} of 127.0.0.1 is taken; end what listens there, or give vault.address another`,
    );
  });
});

describe("the pod that answers for Vault", () => {
  it("is the active one, else one that is ready", async () => {
    cluster.put(`${PODS}/vault-1`, vaultPod("vault-1", { ready: true }));
    cluster.put(`${PODS}/vault-0`, vaultPod("vault-0"));
    expect(await readyPod(kubeConfig, "vault", "prod")).toBe("vault-1");
    cluster.put(`${PODS}/vault-2`, vaultPod("vault-2", { ready: true, labels: { "vault-active": "true" } }));
    expect(await readyPod(kubeConfig, "vault", "prod")).toBe("vault-2");
    expect(cluster.requests.every((it) => it.startsWith(`GET ${PODS}`))).toBe(true);
  });

  it("is missed with what to do", async () => {
    await expect(readyPod(kubeConfig, "vault", "prod")).rejects.toThrow("has no pod with app.kubernetes.io/name=vault");
    cluster.put(`${PODS}/vault-0`, vaultPod("vault-0"));
    cluster.put(`${PODS}/vault-1`, vaultPod("vault-1", { running: false }));
    await expect(readyPod(kubeConfig, "vault", "prod")).rejects.toThrow(
      "vault-0 (running, sealed or not initialised), vault-1 (Pending); initialise it with npm run vault:init, or unseal it " +
        "with npm run vault -- unseal --stack prod",
    );
  });
});
