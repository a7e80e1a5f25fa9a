import { expect, it } from "vitest";
import { interruptReleases } from "../../../sandbox/world/helm.ts";
import { Refusal } from "../../../sandbox/world/state.ts";
import { certManager, externalSecrets, issuer, store } from "./requests.ts";
import { fresh, keyOfRequest, pass, readyAfter, without } from "./worlds.ts";

const UNTRUSTED = (webhook: string) =>
  new Refusal(
    `Internal error occurred: failed calling webhook "${webhook}": tls: failed to verify certificate: x509: certificate signed by unknown authority`,
  );
const CERT_MANAGER = UNTRUSTED("webhook.cert-manager.io");

/** With the start-up check after upgrades too. */
const checked = {
  ...certManager.spec,
  values: { startupapicheck: { jobAnnotations: { "helm.sh/hook": "post-install,post-upgrade" } } },
};
/** With two controllers, of which one is the leader. */
const elected = {
  ...externalSecrets,
  spec: { ...externalSecrets.spec, values: { certController: { replicaCount: 2 } } },
};

/** An install that was interrupted at 20 s. */
function interrupted() {
  const world = fresh();
  const release = world.create(certManager);
  pass(world, 20);
  interruptReleases(world);
  return { world, release };
}

it("comes with the pods after a first install", () => {
  const world = fresh();
  expect(readyAfter(world, world.create(certManager))).toBe(45);
  expect(() => world.create(issuer())).not.toThrow();
});

it("comes a minute after an uninstall, for which an install waits", () => {
  const world = without(fresh(certManager), certManager);
  pass(world, 5);
  const release = world.create(certManager);
  pass(world, 50);
  expect(release.reason).toBe("Job cert-manager-startupapicheck: the webhook does not answer yet");
  expect(() => world.create(issuer())).toThrow(CERT_MANAGER);
  expect(readyAfter(world, release)).toBe(5);
});

it("comes a minute after an install that was interrupted is gone on with, for which an upgrade does not wait", () => {
  const { world, release } = interrupted();
  world.update(keyOfRequest(certManager), certManager.spec);
  expect(readyAfter(world, release)).toBe(45);
  expect(() => world.create(issuer())).toThrow(CERT_MANAGER);
  pass(world, 15);
  expect(() => world.create(issuer())).not.toThrow();
});

it("is waited for by an upgrade whose check says so", () => {
  const { world, release } = interrupted();
  world.update(keyOfRequest(certManager), checked);
  expect(readyAfter(world, release)).toBe(60);
});

it("stays through an upgrade", () => {
  const world = fresh(certManager);
  world.update(keyOfRequest(certManager), { ...certManager.spec, version: "v1.21.1" });
  expect(() => world.create(issuer())).not.toThrow();
});

it("comes a quarter of a minute late where External Secrets elects a leader, and is not late where there is one alone", () => {
  const world = fresh(certManager, elected);
  const lease = world.item("Lease kube-system/external-secrets-cert-controller");
  without(world, elected);
  expect(lease?.spec).toEqual({ free: world.now + 15 });
  if (lease) lease.spec = { free: world.now + 50 };
  expect(readyAfter(world, world.create({ ...elected, spec: { ...elected.spec, timeout: 300 } }))).toBe(35);
  expect(() => world.create(store())).toThrow(UNTRUSTED("validate.clustersecretstore.external-secrets.io"));
  pass(world, 15);
  expect(() => world.create(store())).not.toThrow();
  expect(fresh(externalSecrets).items("Lease")).toEqual([]);
});
