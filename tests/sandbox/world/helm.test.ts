import { describe, expect, it } from "vitest";
import { abandonReleases, deleteRecord, statusOf } from "../../../sandbox/world/helm.ts";
import { type Item, Refusal } from "../../../sandbox/world/state.ts";
import type { World } from "../../../sandbox/world/world.ts";
import {
  base,
  certManager,
  externalSecrets,
  ISTIO,
  ingressGateway,
  istiod,
  namespace,
  reflector,
  renewed,
} from "./requests.ts";
import { fresh, having, keyOfRequest, meshed, pass, READY, readyAfter, stateOf, without } from "./worlds.ts";

const IN_USE = new Refusal("cannot re-use a name that is still in use");
const IN_PROGRESS = new Refusal("another operation (install/upgrade/rollback) is in progress");
const REFLECTOR = keyOfRequest(reflector);

/** The marks by which Helm knows what is a release's. */
const marksIn = (world: World, key: string) => {
  const { labels, annotations } = world.item(key)?.spec ?? {};
  return { labels, annotations };
};
const marks = (name: string, into: string, more = {}) => ({
  labels: { "app.kubernetes.io/managed-by": "Helm" },
  annotations: { "meta.helm.sh/release-name": name, "meta.helm.sh/release-namespace": into, ...more },
});

describe("a release", () => {
  it("is pending-install until everything in it is ready, then deployed", () => {
    const world = fresh();
    const release = world.create(reflector);
    pass(world, 14.9);
    expect([statusOf(release), stateOf(release)]).toEqual([
      "pending-install",
      { ready: false, reason: "its workloads are not ready" },
    ]);
    pass(world, 0.1);
    expect([statusOf(release), stateOf(release)]).toEqual(["deployed", READY]);
    expect(world.item("Deployment kube-system/reflector")?.status.up).toBe(true);
  });

  it("is pending-upgrade while a revision is rolled out, and keeps a record of each", () => {
    const world = fresh(reflector);
    const release = world.update(REFLECTOR, { ...reflector.spec, version: "2" });
    expect([statusOf(release), release.reason]).toEqual(["pending-upgrade", "the new revision is not rolled out"]);
    expect(readyAfter(world, release)).toBe(6);
    expect(release.status.records).toEqual([
      { revision: 1, status: "superseded" },
      { revision: 2, status: "deployed" },
    ]);
    expect(world.item("Deployment kube-system/reflector")?.spec.version).toBe("2");
  });

  it.each([
    [undefined, 300],
    [1200, 1200],
  ])(
    "has failed with a timeout of %s when it is not ready after %d s, and goes on with an upgrade",
    (timeout, after) => {
      const world = fresh(namespace(ISTIO));
      const request = { ...istiod, spec: { ...istiod.spec, timeout } };
      const release = world.create(request);
      pass(world, after - 0.1);
      expect(statusOf(release)).toBe("pending-install");
      pass(world, 0.1);
      expect([statusOf(release), release.ready]).toEqual(["failed", false]);
      having(world, base);
      expect(readyAfter(world, world.update(keyOfRequest(istiod), request.spec))).toBe(30);
      expect(statusOf(release)).toBe("deployed");
    },
  );

  it("stays failed though its workloads come later", () => {
    const world = meshed();
    const request = ingressGateway({ type: "ClusterIP" });
    const release = world.create({ ...request, spec: { ...request.spec, timeout: 4 } });
    pass(world, 10);
    expect([statusOf(release), release.ready]).toEqual(["failed", false]);
    expect(world.item(`Deployment ${ISTIO}/istio-ingressgateway`)?.ready).toBe(true);
  });

  it("is not upgraded while another operation is in progress, or while it is uninstalled", () => {
    const world = fresh();
    const release = world.create(reflector);
    const upgrade = () => world.update(REFLECTOR, reflector.spec);
    expect(upgrade).toThrow(IN_PROGRESS);
    readyAfter(world, release);
    upgrade();
    expect(upgrade).toThrow(IN_PROGRESS);
    readyAfter(world, release);
    world.remove(REFLECTOR);
    expect(statusOf(release)).toBe("uninstalling");
    expect(upgrade).toThrow(new Refusal('"reflector" has no deployed releases'));
  });

  it.each(["pending-install", "failed", "deployed", "uninstalling"])("has its name in use while %s", (status) => {
    const world = fresh();
    const release = world.create(reflector);
    if (status === "deployed") readyAfter(world, release);
    if (status === "uninstalling") world.remove(REFLECTOR);
    if (status === "failed") {
      abandonReleases(world);
      release.status.records = [{ revision: 1, status }];
    }
    expect(statusOf(release)).toBe(status);
    expect(() => world.create(reflector)).toThrow(IN_USE);
  });
});

describe("what is in a release", () => {
  it("carries its name and namespace, and its definitions that they are kept", () => {
    const world = fresh(certManager);
    const mine = marks("cert-manager", "cert-manager");
    expect(marksIn(world, "Deployment cert-manager/cert-manager-webhook")).toEqual(mine);
    expect(marksIn(world, "ValidatingWebhookConfiguration /cert-manager-webhook")).toEqual(mine);
    expect(marksIn(world, "CustomResourceDefinition /certificates.cert-manager.io")).toEqual(
      marks("cert-manager", "cert-manager", { "helm.sh/resource-policy": "keep" }),
    );
  });

  it("goes with it, but for definitions that their chart keeps", () => {
    const world = fresh(certManager, base, externalSecrets);
    const before = Object.keys(fresh().state.items);
    without(world, certManager, base, externalSecrets);
    const left = Object.keys(world.state.items).filter((key) => !before.includes(key));
    const kinds = new Set(left.map((key) => key.replace(/ \/[^.]*\./, " ")));
    expect([...kinds].sort()).toEqual([
      "CustomResourceDefinition acme.cert-manager.io",
      "CustomResourceDefinition cert-manager.io",
      "CustomResourceDefinition extensions.istio.io",
      "CustomResourceDefinition networking.istio.io",
      "CustomResourceDefinition security.istio.io",
      "CustomResourceDefinition telemetry.istio.io",
      "Lease kube-system/cert-manager-cainjector",
      "Namespace /cert-manager",
      "Namespace /external-secrets",
      "Namespace /istio-system",
    ]);
  });

  it("is taken over without a record where it carries the marks, and is not begun anew", () => {
    const world = fresh(reflector);
    const pods = world.item("Deployment kube-system/reflector");
    deleteRecord(world, world.item(REFLECTOR) as Item);
    expect([world.item(REFLECTOR), pods?.status.up]).toEqual([undefined, true]);
    const release = world.create(reflector);
    expect([statusOf(release), pods?.status.up]).toEqual(["pending-install", true]);
    // No pod changes, and none is replaced.
    expect(readyAfter(world, release)).toBe(1);
    expect(world.items("Deployment")).toEqual([pods]);
  });

  it.each<[string, object, string]>([
    [
      "without marks",
      {},
      'label validation error: missing key "app.kubernetes.io/managed-by": must be set to "Helm"; ' +
        'annotation validation error: missing key "meta.helm.sh/release-name": must be set to "reflector"; ' +
        'annotation validation error: missing key "meta.helm.sh/release-namespace": must be set to "kube-system"',
    ],
    [
      "of another release",
      marks("mirror", "kube-system"),
      'annotation validation error: key "meta.helm.sh/release-name" must equal "reflector": current value is "mirror"',
    ],
    [
      "of another namespace",
      marks("reflector", "default"),
      'annotation validation error: key "meta.helm.sh/release-namespace" must equal "kube-system": current value is "default"',
    ],
  ])("is refused where an object %s is there, and leaves no record", (_, spec, errors) => {
    const world = fresh();
    world.put({ kind: "Deployment", namespace: "kube-system", name: "reflector", spec: { ...spec } });
    const before = structuredClone(world.state);
    expect(() => world.create(reflector)).toThrow(
      new Refusal(
        'Unable to continue with install: Deployment "reflector" in namespace "kube-system" exists and cannot be ' +
          `imported into the current release: invalid ownership metadata; ${errors}`,
      ),
    );
    expect(world.state).toEqual(before);
  });
});

describe("a helm that is killed", () => {
  it("leaves a release pending for ever, and its workloads go on", () => {
    const world = fresh();
    const release = world.create(reflector);
    abandonReleases(world);
    pass(world, 1000);
    expect([statusOf(release), release.ready]).toEqual(["pending-install", false]);
    expect(world.item("Deployment kube-system/reflector")?.ready).toBe(true);
    expect(() => world.create(reflector)).toThrow(IN_USE);
    expect(() => world.update(REFLECTOR, reflector.spec)).toThrow(IN_PROGRESS);
    deleteRecord(world, release);
    expect(readyAfter(world, world.create(reflector))).toBe(1);
  });

  it("leaves an upgrade pending, of which the newest record can be deleted", () => {
    const world = fresh(reflector);
    const release = world.update(REFLECTOR, reflector.spec);
    abandonReleases(world);
    pass(world, 1000);
    expect([statusOf(release), release.ready]).toEqual(["pending-upgrade", false]);
    deleteRecord(world, release);
    expect([statusOf(release), release.ready]).toEqual(["deployed", true]);
    expect(readyAfter(world, world.update(REFLECTOR, renewed(reflector)))).toBe(6);
  });

  it("leaves what it uninstalled, which another uninstallation ends", () => {
    const world = fresh(reflector);
    world.remove(REFLECTOR);
    abandonReleases(world);
    pass(world, 1000);
    expect(world.items("Release").map(statusOf)).toEqual(["uninstalling"]);
    without(world, reflector);
    expect([world.items("Release"), world.items("Deployment")]).toEqual([[], []]);
  });

  it("does nothing to a release that is done", () => {
    const world = fresh(reflector);
    abandonReleases(world);
    expect(world.items("Release").map(statusOf)).toEqual(["deployed"]);
    expect(readyAfter(world, world.update(REFLECTOR, renewed(reflector)))).toBe(6);
  });
});
