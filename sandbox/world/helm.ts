import { type Chart, charts } from "./charts.ts";
import { admitNamespace, DEFINITION, namespacedId, WAITING, webhooksAnswer } from "./kubernetes.ts";
import { isWorkload, templateOf } from "./pods.ts";
import { type Item, keyOf, Refusal, type Request, type Spec } from "./state.ts";
import { cancel } from "./timers.ts";
import type { Happening, System, World } from "./world.ts";

// Helm: releases and their records, and whose the objects of a chart are. A release here is its records; while there
// are any, its name is in use. https://github.com/helm/helm/tree/v3.18.6/pkg/action

type Status = "pending-install" | "pending-upgrade" | "deployed" | "failed" | "superseded" | "uninstalling";

/** One Secret `sh.helm.release.v1.<name>.v<revision>`. */
interface HelmRecord {
  readonly revision: number;
  status: Status;
}

export const recordsOf = ({ status }: Item) => (status.records ?? []) as HelmRecord[];

/** How the newest revision of a release stands, as `helm status` says it. */
export const statusOf = (release: Item): Status | undefined => recordsOf(release).at(-1)?.status;

const isPending = (release: Item) => statusOf(release)?.startsWith("pending-") === true;

function chartOf({ spec }: { spec: Spec }): Chart {
  const chart = charts[String(spec.chart)];
  if (chart === undefined) throw new Error(`the world knows no chart ${spec.chart}; add it to sandbox/world/charts.ts`);
  return chart;
}

const MANAGED_BY = "app.kubernetes.io/managed-by";

/** By what Helm knows that an object is a release's. */
const ownership = ({ name, namespace = "" }: Omit<Request, "spec">) => ({
  labels: { [MANAGED_BY]: "Helm" },
  annotations: { "meta.helm.sh/release-name": name, "meta.helm.sh/release-namespace": namespace },
});

/** All objects of a release, marked as its own. */
function rendered(release: Omit<Request, "kind">): Request[] {
  const { name, namespace = "", spec } = release;
  const { labels, annotations } = ownership({ kind: "Release", name, namespace });
  const values = (spec.values ?? {}) as Spec;
  return chartOf(release)
    .objects({ name, namespace, values })
    .map((object) => ({
      ...object,
      spec: {
        ...object.spec,
        chart: spec.chart,
        version: spec.version,
        ...(isWorkload(object) && { template: templateOf(release, object, chartOf(release).pods) }),
        labels,
        // What an object has of its own stays: a Service's annotations are the cloud controller's.
        annotations: { ...(object.spec.annotations as Spec | undefined), ...annotations },
      },
    }));
}

/** The release that owns an object; undefined where there is none, or no record of it. */
export function ownerOf(world: World, { spec }: Item): Item | undefined {
  const annotations = spec.annotations as Record<string, string> | undefined;
  const name = annotations?.["meta.helm.sh/release-name"];
  return name === undefined
    ? undefined
    : world.item(`Release ${annotations?.["meta.helm.sh/release-namespace"]}/${name}`);
}

/** Why an object is not a release's to take over; empty when it is. */
function foreign(there: Item, release: Request): string[] {
  const wanted = ownership(release);
  const wrong = (what: "label" | "annotation", has: Spec = {}, wants: Record<string, string>) =>
    Object.entries(wants)
      .filter(([key, value]) => has[key] !== value)
      .map(([key, value]) =>
        has[key] === undefined
          ? `${what} validation error: missing key "${key}": must be set to "${value}"`
          : `${what} validation error: key "${key}" must equal "${value}": current value is "${has[key]}"`,
      );
  const { labels, annotations } = there.spec as Record<"labels" | "annotations", Spec | undefined>;
  return [...wrong("label", labels, wanted.labels), ...wrong("annotation", annotations, wanted.annotations)];
}

/** An install takes over what carries its marks, and refuses what does not. */
function admitInstall(world: World, request: Request): void {
  if (request.spec.createNamespace !== true) admitNamespace(world, request);
  if (world.item(keyOf(request)) !== undefined) return;
  for (const object of rendered(request)) {
    const there = world.item(keyOf(object));
    const errors = there === undefined ? [] : foreign(there, request);
    if (errors.length > 0)
      throw new Refusal(
        `Unable to continue with install: ${object.kind} "${object.name}" in namespace "${object.namespace ?? ""}" ` +
          `exists and cannot be imported into the current release: invalid ownership metadata; ${errors.join("; ")}`,
      );
    if (there !== undefined && there.spec.selector !== object.spec.selector)
      throw new Refusal(
        `cannot patch "${object.name}" with kind ${object.kind}: ${object.kind}.apps "${object.name}" is invalid: ` +
          "spec.selector: Invalid value: field is immutable",
      );
  }
}

function admitUpgrade(_world: World, release: Item): void {
  if (isPending(release)) throw new Refusal("another operation (install/upgrade/rollback) is in progress");
  if (statusOf(release) === "uninstalling") throw new Refusal(`"${release.name}" has no deployed releases`);
}

/** The part of an install that is the download of the chart. */
const FETCH = 0.05;

/** Seconds after which Helm's own wait is over: https://helm.sh/docs/helm/helm_install/ */
const TIMEOUT = 300;

/** Writes the record of a new revision. */
function begin(world: World, release: Item, status: Status): void {
  const records = recordsOf(release);
  records.push({ revision: (records.at(-1)?.revision ?? 0) + 1, status });
  release.ready = false;
  release.reason = WAITING;
  release.status.begun = world.now;
  world.after(Number(release.spec.timeout ?? TIMEOUT), "timedOut", release);
}

/** Applies everything but webhooks, which are among the last; a second later these. */
const apply: Happening = (world, release) => {
  const isWebhook = ({ kind }: Request) => kind.endsWith("WebhookConfiguration");
  const objects = rendered(release);
  if (world.item(`Namespace /${release.namespace}`) === undefined)
    world.put({ kind: "Namespace", name: release.namespace, spec: {} });
  // Nothing of a revision is waited for before all of it is applied.
  release.status.objects = [];
  const applied = objects.filter((it) => !isWebhook(it)).map((object) => applyOne(world, release, object));
  release.status.objects = objects.map(keyOf);
  const isBroken = world.state.broken.includes(keyOf(release));
  const [definition] = applied.filter(({ kind }) => kind === DEFINITION);
  for (const item of applied)
    if (!isBroken && !item.ready && (item.kind !== DEFINITION || item === definition)) world.start(item);
  world.after(1, "applyWebhooks", release);
};

const applyWebhooks: Happening = (world, release) => {
  // Helm's three-way patch leaves alone what istiod has written into one.
  for (const webhook of rendered(release).filter(({ kind }) => kind.endsWith("WebhookConfiguration")))
    if (world.item(keyOf(webhook)) === undefined) world.put(webhook);
  settle(world, release);
};

function applyOne(world: World, release: Item, object: Request): Item {
  const there = world.item(keyOf(object));
  const item = there ?? world.put(object);
  // Where no pod changes, none is replaced.
  const stays = there?.ready === true && isWorkload(object) && there.spec.template === object.spec.template;
  item.spec = object.spec;
  if (stays) return item;
  item.ready = false;
  item.reason = WAITING;
  if (item.kind !== "Service") item.status.begun = release.status.begun;
  world.renew(item);
  return item;
}

/** Ends Helm's wait when everything that it waits for is ready. */
function settle(world: World, release: Item): void {
  if (!isPending(release) || release.status.abandoned === true) return;
  const keys = (release.status.objects ?? []) as string[];
  const waiting = keys.map((key) => world.item(key)).filter((item) => item?.ready !== true);
  release.reason = waiting.map((item) => item?.reason ?? WAITING).find((reason) => reason !== WAITING) ?? WAITING;
  if (keys.length === 0 || waiting.length > 0) return;
  if (isChecked(release) && !webhooksAnswer(world, keys)) {
    release.reason = "Job cert-manager-startupapicheck: the webhook does not answer yet";
    return;
  }
  for (const record of recordsOf(release)) record.status = "superseded";
  setStatus(release, "deployed");
  release.ready = true;
  release.reason = "";
  cancel(world.state, keyOf(release), "timedOut");
  world.seen(release);
}

/** Whether a hook of the chart waits for its webhooks, at the end of this operation. */
function isChecked(release: Item): boolean {
  const hook = statusOf(release) === "pending-install" ? "post-install" : "post-upgrade";
  return (
    chartOf(release)
      .checkedAt?.((release.spec.values ?? {}) as Spec)
      .includes(hook) === true
  );
}

function setStatus(release: Item, status: Status): void {
  const record = recordsOf(release).at(-1);
  if (record) record.status = status;
}

const timedOut: Happening = (_world, release) => {
  if (isPending(release) && release.status.abandoned !== true) setStatus(release, "failed");
};

/** What a run that is interrupted leaves of its releases, which end their waits: what was applied goes on by itself. */
export function interruptReleases(world: World): void {
  for (const release of world.items("Release")) {
    if (!isPending(release)) continue;
    setStatus(release, "failed");
    cancel(world.state, keyOf(release));
  }
}

/** What `helm` processes leave that are killed at this moment: what they waited for stays as it is, for ever. */
export function abandonReleases(world: World): void {
  for (const release of world.items("Release")) {
    if (!isPending(release) && !release.removing) continue;
    release.status.abandoned = true;
    release.removing = false;
    // Nobody waits, and nobody removes the record; what was applied goes on by itself.
    world.renew(release);
  }
}

/** Deletes the newest record, as `kubectl delete secret` does: the one before counts again, if there is one. */
export function deleteRecord(world: World, release: Item): void {
  recordsOf(release).pop();
  delete release.status.abandoned;
  if (recordsOf(release).length === 0) world.drop(release);
  release.ready = statusOf(release) === "deployed";
}

/** Marks the newest record as failed, as Helm does when it is told to end: an upgrade goes on from there. */
export function failRecord(release: Item): void {
  setStatus(release, "failed");
  delete release.status.abandoned;
}

/** A release that somebody has installed before, with everything in it up. */
export function putRelease(world: World, request: Omit<Request, "kind">): Item {
  const release = world.put({ ...request, kind: "Release" });
  const objects = rendered(release);
  release.status = { records: [{ revision: 1, status: "deployed" }], objects: objects.map(keyOf) };
  for (const object of objects) Object.assign(world.put(object).status, { up: true, trusted: true });
  return release;
}

export const helm: System = {
  kinds: {
    Release: {
      id: namespacedId,
      taken: () => "cannot re-use a name that is still in use",
      admit: admitInstall,
      admitChange: admitUpgrade,
      start(world, release) {
        release.status.records = [];
        begin(world, release, "pending-install");
        // Helm fetches and renders the chart before it makes the namespace.
        const isThere = world.item(`Namespace /${release.namespace}`) !== undefined;
        if (isThere) apply(world, release, 0);
        else world.after(world.seconds(String(release.spec.chart)) * FETCH, "apply", release);
      },
      change(world, release) {
        delete release.status.abandoned;
        begin(world, release, "pending-upgrade");
        release.reason = "the new revision is not rolled out";
        apply(world, release, 0);
      },
      removalSeconds: (release) => chartOf(release).removalSeconds ?? 3,
      leaving(world, release) {
        setStatus(release, "uninstalling");
        delete release.status.abandoned;
        for (const key of (release.status.objects ?? []) as string[]) {
          const item = world.item(key);
          if (item?.kind === "Deployment" || item?.kind === "StatefulSet") item.status.up = false;
        }
      },
      removed(world, release) {
        for (const key of (release.status.objects ?? []) as string[]) {
          const annotations = world.item(key)?.spec.annotations as Record<string, string> | undefined;
          if (annotations?.["helm.sh/resource-policy"] !== "keep") world.removeNow(key);
        }
      },
    },
  },
  happenings: { apply, applyWebhooks, timedOut },
  durations: Object.fromEntries(Object.entries(charts).map(([chart, { seconds }]) => [chart, seconds])),
  seen(world, item) {
    const owner = ownerOf(world, item);
    if (owner) settle(world, owner);
  },
};
