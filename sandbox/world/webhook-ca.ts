import { webhooksOf } from "./kubernetes.ts";
import { type Item, keyOf } from "./state.ts";
import type { Happening, System, World } from "./world.ts";

// Who puts the CAs of webhooks in: a controller that must be the leader of its kind first. One that was uninstalled,
// killed or rolled over has not given its lease back, for which the next one waits; and the lease outlives an uninstall.
// https://github.com/cert-manager/cert-manager/blob/v1.21.2/pkg/controller/context.go

/** Seconds of the lease of a controller; undefined of a workload that needs none. */
const leaseSecondsOf = ({ kind, spec }: Item) =>
  kind === "Deployment" ? (spec.leaseSeconds as number | undefined) : undefined;

const leaseOf = (world: World, { name }: Item) => world.item(`Lease kube-system/${name}`);

/** One that is rolled over is another. */
const identityOf = ({ id, generation }: Item) => `${id} ${generation}`;

/** Who is there now holds the lease from when the one before is known to be gone. */
function elect(world: World, controller: Item, leaseSeconds: number): void {
  const lease = leaseOf(world, controller);
  const holder = identityOf(controller);
  if (lease?.spec.holder === holder) return;
  const since = lease === undefined ? world.now : Number(lease.spec.free ?? world.now + leaseSeconds);
  if (lease) lease.spec = { holder, since };
  else world.put({ kind: "Lease", namespace: "kube-system", name: controller.name, spec: { holder, since } });
}

const sourceOf = (configuration: Item) => webhooksOf(configuration).find(({ trustedBy }) => trustedBy)?.trustedBy;

/** Puts the CA in, as soon as there is somebody who may. */
const trust: Happening = (world, configuration) => {
  const controller = world.item(sourceOf(configuration) ?? "");
  if (configuration.status.trusted === true || controller?.status.up !== true) return;
  const wait = Number(leaseOf(world, controller)?.spec.since ?? 0) - world.now;
  if (wait > 0) {
    world.after(wait, "trust", configuration);
    return;
  }
  configuration.status.trusted = true;
  world.seen(configuration);
};

export const webhookCa: System = {
  kinds: { Lease: {} },
  happenings: { trust },
  seen(world, item) {
    if (item.kind === "ValidatingWebhookConfiguration") trust(world, item, 0);
    const leaseSeconds = leaseSecondsOf(item);
    // What is stored and not rolled out yet runs nowhere.
    if (leaseSeconds !== undefined && !(item.ready && item.status.up !== true)) elect(world, item, leaseSeconds);
    if (item.kind !== "Deployment" || item.status.up !== true) return;
    for (const configuration of world.items("ValidatingWebhookConfiguration"))
      if (sourceOf(configuration) === keyOf(item)) trust(world, configuration, 0);
  },
  gone(world, item) {
    const leaseSeconds = leaseSecondsOf(item);
    const lease = leaseSeconds === undefined ? undefined : leaseOf(world, item);
    if (lease) lease.spec = { free: world.now + Number(leaseSeconds) };
  },
};
