import type { KubeConfig } from "@kubernetes/client-node";
import { afterEach, beforeEach, expect, it } from "vitest";
import { awaitArrival, lastSync } from "../../../tools/rotate/arrival.ts";
import { VaultCluster } from "../vault-cluster.ts";
import { EXTERNAL_SECRET, ExternalSecrets, SECRET } from "./external-secrets.ts";

/** Far more than a busy machine takes. */
const AMPLE_SECONDS = 30;
const AMPLE = { timeout: 20_000 };

let cluster: VaultCluster;
let kubeConfig: KubeConfig;
let externalSecrets: ExternalSecrets;

beforeEach(async () => {
  cluster = new VaultCluster();
  kubeConfig = await cluster.start();
  externalSecrets = new ExternalSecrets(cluster);
});
afterEach(() => cluster.stop());

/** Does something, and sees that it has been looked at. */
async function looked(what: () => void): Promise<void> {
  const before = cluster.requests.length;
  what();
  const since = () => cluster.requests.slice(before);
  const isOver = () => {
    const first = since().findIndex((request) => request.includes(SECRET));
    return (
      first >= 0 &&
      since()
        .slice(first)
        .some((request) => request.includes(EXTERNAL_SECRET))
    );
  };
  await expect.poll(isOver, AMPLE).toBe(true);
}

it("tells of no sync but the one that brought the token", async () => {
  externalSecrets.sync(7, "2026-11-23T21:00:00Z");
  const after = await lastSync(kubeConfig);
  const arriving = awaitArrival(kubeConfig, { version: 8, after }, AMPLE_SECONDS);
  await expect.poll(() => cluster.requests.some((it) => it.includes("/externalsecrets ")), AMPLE).toBe(true);
  await looked(() => externalSecrets.sync(7, "2026-11-23T21:30:00Z"));
  // The Secret is new, and the status not yet, as whoever looks between the two writes finds it.
  externalSecrets.writeSecret(8);
  await looked(() => externalSecrets.writeStatus(7, "2026-11-23T21:30:00Z"));
  externalSecrets.writeStatus(8, "2026-11-23T21:31:00Z");
  expect(await arriving).toEqual({ version: 8, resourceVersion: "103", syncedAt: "2026-11-23T21:31:00Z" });
});

it("takes the last sync for a token that is there already", async () => {
  externalSecrets.sync(8, "2026-11-23T21:31:00Z");
  expect(await awaitArrival(kubeConfig, { version: 8 }, AMPLE_SECONDS)).toEqual({
    version: 8,
    resourceVersion: "101",
    syncedAt: "2026-11-23T21:31:00Z",
  });
});

it("knows of no sync where there is no ExternalSecret", async () => {
  expect(await lastSync(kubeConfig)).toBe(undefined);
});
