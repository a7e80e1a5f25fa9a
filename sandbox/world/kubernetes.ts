import { isDeepStrictEqual } from "node:util";
import { policyRefusal } from "./admission.ts";
import { type Item, keyOf, Refusal, type Request, type Spec } from "./state.ts";
import type { Happening, Kind, System, World } from "./world.ts";

// The API server and what runs on the cluster: namespaces, definitions of custom resources, webhooks and workloads.
// Each of these objects is `up` from the moment it is first in force: a definition known, a workload answering. A change
// of it is rolled out step by step, so that it stays up; it is ready when its newest revision is.

export const namespacedId = ({ namespace = "", name }: Omit<Request, "spec">) => `${namespace}/${name}`;
const ownName = ({ name }: Omit<Request, "spec">) => name;

export const workloadsOf = (world: World, chart: string): Item[] =>
  [...world.items("Deployment"), ...world.items("StatefulSet")].filter(({ spec }) => spec.chart === chart);

/** Whether a chart's workloads answer. */
export function runs(world: World, chart: string): boolean {
  const workloads = workloadsOf(world, chart);
  return workloads.length > 0 && workloads.every(({ status }) => status.up === true);
}

export function admitNamespace(world: World, { namespace = "" }: Omit<Request, "spec">): void {
  // https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#namespacelifecycle
  if (world.item(`Namespace /${namespace}`) === undefined) throw new Refusal(`namespaces "${namespace}" not found`);
}

/** Adds and overwrites, and removes nothing; what is as it should be stays untouched. */
function apply(world: World, there: Item, spec: Spec): Item {
  const whole = { ...there.spec, ...spec };
  return isDeepStrictEqual(whole, there.spec) ? there : world.update(keyOf(there), whole);
}

const groupOf = (definition: string) => definition.slice(definition.indexOf(".") + 1);

/** Whether the API server knows the kind of a definition, named by plural and group. */
export const isDefined = (world: World, definition: string) =>
  world.item(`CustomResourceDefinition /${definition}`)?.status.up === true;

/**
 * A kind that a chart defines.
 *
 * @param definition plural and group, as its definition is named
 * @param behaviour what its controller does with it
 */
export function customResource(
  definition: string,
  { namespaced, ...behaviour }: { readonly namespaced: boolean } & Partial<Kind>,
): Kind {
  const group = groupOf(definition);
  return {
    id: namespaced ? namespacedId : ownName,
    taken: ({ name }) => `${definition} "${name}" already exists`,
    admit(world, request) {
      // https://github.com/pulumi/pulumi-kubernetes/blob/v4.34.0/provider/pkg/await/await.go: retried for seconds, then an error.
      if (!isDefined(world, definition))
        throw new Refusal(`no matches for kind "${request.kind}" in version "${group}/v1"`);
      if (namespaced) admitNamespace(world, request);
      refuse(refusalOf(world, definition, request));
    },
    admitRemoval: (world) => refuse(webhookRefusal(world, definition)),
    apply,
    ...behaviour,
  };
}

/** What judges an object of a kind says, policies before webhooks; undefined when nothing refuses it. */
export const refusalOf = (world: World, definition: string, request: Request): string | undefined =>
  policyRefusal(world, definition, request) ?? webhookRefusal(world, definition);

function refuse(refusal: string | undefined): void {
  if (refusal !== undefined) throw new Refusal(refusal);
}

/** A webhook of a ValidatingWebhookConfiguration. */
export interface Webhook {
  readonly name: string;
  /** What it judges: definitions by their names, or all of a group. */
  readonly judges: readonly string[];
  failurePolicy: "Fail" | "Ignore";
  /** Key of the workload that answers. */
  readonly answeredBy: string;
  /** Key of the Deployment that puts its CA in, without which no answer is believed. @default - who answers does */
  readonly trustedBy?: string;
}

export const webhooksOf = ({ spec }: Item) => spec.webhooks as Webhook[];

/**
 * failurePolicy Fail: no answer is a refusal. On delete too: External Secrets registers for DELETE, and for the others
 * the end of a foreground deletion is an UPDATE.
 * https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#failure-policy
 */
function webhookRefusal(world: World, definition: string): string | undefined {
  for (const configuration of world.items("ValidatingWebhookConfiguration"))
    for (const webhook of webhooksOf(configuration)) {
      const { name, judges, failurePolicy } = webhook;
      if (failurePolicy === "Ignore" || !judges.some((it) => it === definition || it === groupOf(definition))) continue;
      const silence = silenceOf(world, configuration, webhook);
      if (silence) return `Internal error occurred: failed calling webhook "${name}": ${silence}`;
    }
  return undefined;
}

/** Why a webhook cannot answer; undefined when it can. */
function silenceOf(world: World, { status }: Item, { answeredBy, trustedBy }: Webhook): string | undefined {
  if (world.item(answeredBy)?.status.up !== true) return "no endpoints available for service";
  if (trustedBy === undefined || status.trusted === true) return undefined;
  return "tls: failed to verify certificate: x509: certificate signed by unknown authority";
}

/** Whether all webhooks among these objects answer. */
export const webhooksAnswer = (world: World, keys: readonly string[]): boolean =>
  keys.every((key) => {
    const configuration = key.startsWith("ValidatingWebhookConfiguration ") ? world.item(key) : undefined;
    return configuration === undefined || webhooksOf(configuration).every((it) => !silenceOf(world, configuration, it));
  });

export const DEFINITION = "CustomResourceDefinition";

/** What is said of a workload that is on its way. */
export const WAITING = "its workloads are not ready";

/** An upgrade rolls what an install starts: three Istio releases took 61 s, against 125 s for an install. */
export const UPGRADE = 0.4;

const rolledOut: Happening = (world, item) => {
  // A chart's definitions are established together, with the first of them.
  const siblings =
    item.kind === DEFINITION ? world.items(DEFINITION).filter((it) => it.spec.chart === item.spec.chart) : [];
  for (const it of [...siblings, item]) {
    it.status.up = true;
    it.ready = true;
    it.reason = "";
  }
  world.seen(item);
};

/** Rolls out what a chart's object is now; the chart's seconds are the workloads'. */
function roll(world: World, item: Item): void {
  const refusal = world.podRefusal(item);
  // Pods that serve go, each when its successor is ready.
  if (item.status.up === true) item.status.rolls = Number(item.status.rolls ?? 0) + 1;
  item.ready = false;
  item.status.stuck = refusal !== undefined;
  item.reason = refusal ?? (item.status.up === true ? "the new revision is not rolled out" : WAITING);
  const seconds = world.seconds(String(item.spec.chart)) * (item.status.up === true ? UPGRADE : 1);
  // A chart's seconds begin with its download.
  const spent = world.now - Number(item.status.begun ?? world.now);
  delete item.status.begun;
  if (refusal === undefined) world.after(seconds - spent, "rolledOut", item);
  world.seen(item);
}

/** Whether an object is the last of a chart's workloads to get ready, so that its controller starts now. */
export const startsWith = (world: World, { kind, spec }: Item, chart: string) =>
  ["Deployment", "StatefulSet"].includes(kind) &&
  spec.chart === chart &&
  workloadsOf(world, chart).every(({ ready }) => ready);

/** A controller that starts looks at everything of these kinds that is not ready. */
export function lookAgain(world: World, ...kinds: string[]): void {
  for (const waiting of kinds.flatMap((kind) => world.items(kind))) {
    if (waiting.ready) continue;
    world.renew(waiting);
    world.start(waiting);
  }
}

export const kubernetes: System = {
  kinds: {
    Namespace: {
      id: ownName,
      taken: ({ name }) => `namespaces "${name}" already exists`,
      apply,
      seconds: 0.5,
      removed(world, namespace) {
        for (const inside of Object.values(world.state.items))
          if (inside.namespace === namespace.name) world.drop(inside);
      },
    },
    Secret: {
      id: namespacedId,
      taken: ({ name }) => `secrets "${name}" already exists`,
      apply,
      seconds: 0.5,
      admit: admitNamespace,
    },
    PersistentVolumeClaim: { id: namespacedId },
    Registry: {},
    Deployment: { id: namespacedId, start: roll },
    StatefulSet: { id: namespacedId, start: roll },
    CustomResourceDefinition: { id: ownName, start: roll },
    ValidatingWebhookConfiguration: { id: ownName },
    MutatingWebhookConfiguration: { id: ownName },
  },
  happenings: { rolledOut },
  podRefusal(world, { name, spec, status }) {
    if (world.item("Registry /images")?.spec.away !== true) return undefined;
    // What has run here is on the nodes: https://kubernetes.io/docs/concepts/containers/images/#image-pull-policy
    return status.up === true && spec.imagePullPolicy !== "Always"
      ? undefined
      : `pod ${name}: Failed to pull image: the registry does not answer: ErrImagePull`;
  },
  gone(world, { kind, spec }) {
    // With a definition go all of its objects.
    if (kind === "CustomResourceDefinition") for (const item of world.items(String(spec.defines))) world.drop(item);
  },
};
