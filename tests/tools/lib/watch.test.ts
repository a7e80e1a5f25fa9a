import type { KubeConfig } from "@kubernetes/client-node";
import { afterEach, beforeEach, expect, it } from "vitest";
import { watchUntil } from "../../../tools/lib/watch.ts";
import { VaultCluster, vaultPod } from "../vault-cluster.ts";

const collection = "/api/v1/namespaces/vault/pods";
const path = `${collection}/vault-0`;

let cluster: VaultCluster;
let kubeConfig: KubeConfig;
beforeEach(async () => {
  cluster = new VaultCluster();
  kubeConfig = await cluster.start();
});
afterEach(() => cluster.stop());

const until = <T>(seconds: number, look: () => Promise<T | undefined>) =>
  watchUntil(kubeConfig, { collection, name: "vault-0" }, seconds, look);

it("finds what changes after it began, and not before", async () => {
  const seen: unknown[] = [];
  const found = until(30, async () => {
    const pod = cluster.objects.get(path) as { step?: number } | undefined;
    seen.push(pod?.step);
    return pod?.step === 2 ? "second" : undefined;
  });
  await expect.poll(() => cluster.requests.length).toBe(1);
  cluster.put(path, { ...vaultPod("vault-0"), step: 1 });
  await expect.poll(() => seen).toContain(1);
  cluster.put(path, { ...vaultPod("vault-0"), step: 2 });
  expect(await found).toBe("second");
});

it("ends with nothing when the time is over, and with an error when looking fails", async () => {
  expect(await until(0.2, async () => undefined)).toBeUndefined();
  await expect(until(30, () => Promise.reject(new Error("no access")))).rejects.toThrow("no access");
  cluster.forbidden.add(collection);
  await expect(until(30, async () => undefined)).rejects.toThrow(`refuses to watch ${collection}: status 403`);
});
