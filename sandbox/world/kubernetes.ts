import { type Item, Refusal, type Request } from "./state.ts";
import type { Kind, System, World } from "./world.ts";

// The API server: namespaces, and what it refuses of custom resources. Helm's releases are looked at as objects here;
// how they come about is helm.ts's.

/** What the API server knows of a kind that a chart defines. */
export interface CustomResource {
  /** Plural and group, as its definition is named. */
  readonly definition: string;
  readonly namespaced: boolean;
  /** The chart that defines it. */
  readonly definedBy: string;
  /** The chart whose workloads answer its webhook. */
  readonly answeredBy: string;
  readonly webhook: string;
}

const groupOf = ({ definition }: CustomResource) => definition.slice(definition.indexOf(".") + 1);

export const namespacedId = ({ namespace = "", name }: Omit<Request, "spec">) => `${namespace}/${name}`;

export function releaseOf(world: World, chart: string): Item | undefined {
  return world.items("Release").find((release) => release.spec.chart === chart);
}

/** Whether a chart's workloads run. An upgrade rolls them one by one, so they go on answering. */
export function runs(world: World, chart: string): boolean {
  const release = releaseOf(world, chart);
  return release !== undefined && release.status.installed === true && !release.removing;
}

export function admitNamespace(world: World, { namespace = "" }: Omit<Request, "spec">): void {
  // https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#namespacelifecycle
  if (world.item(`Namespace /${namespace}`) === undefined) throw new Refusal(`namespaces "${namespace}" not found`);
}

/** A kind that a chart defines, of which an object is asked for when its definition is there and its webhook answers. */
export function customResource(definition: CustomResource, behaviour: Partial<Kind> = {}): Kind {
  return {
    id: definition.namespaced ? namespacedId : ({ name }) => name,
    taken: ({ name }) => `${definition.definition} "${name}" already exists`,
    admit(world, request) {
      const group = groupOf(definition);
      // https://github.com/pulumi/pulumi-kubernetes/blob/v4.34.0/provider/pkg/await/await.go: retried for seconds, then an error.
      if (!world.state.definitions.includes(group))
        throw new Refusal(`no matches for kind "${request.kind}" in version "${group}/v1"`);
      if (definition.namespaced) admitNamespace(world, request);
      admitWebhook(world, definition);
    },
    admitRemoval: (world) => admitWebhook(world, definition),
    ...behaviour,
  };
}

/** What a chart's definitions are when it is installed. */
export function define(world: World, definitions: readonly CustomResource[]): void {
  for (const group of definitions.map(groupOf))
    if (!world.state.definitions.includes(group)) world.state.definitions.push(group);
}

/**
 * failurePolicy Fail: no answer is a refusal. On delete too: External Secrets registers for DELETE, and for the others
 * the end of a foreground deletion is an UPDATE. Helm removes the webhook's configuration last.
 * https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#failure-policy
 * https://github.com/helm/helm/blob/v3.18.6/pkg/releaseutil/kind_sorter.go
 */
function admitWebhook(world: World, { answeredBy, webhook }: CustomResource): void {
  if (runs(world, answeredBy)) return;
  // Istio's default validator belongs to base, ignores failures until istiod has answered once, and outlives istiod:
  // https://github.com/istio/istio/blob/1.26.4/pkg/webhooks/validation/controller/controller.go
  const configuredBy = releaseOf(world, answeredBy === "istiod" ? "base" : answeredBy);
  if (configuredBy === undefined) return;
  if (answeredBy === "istiod" && configuredBy.status.validated !== true) return;
  throw new Refusal(`Internal error occurred: failed calling webhook "${webhook}": no endpoints available for service`);
}

export const kubernetes: System = {
  kinds: {
    Namespace: {
      id: ({ name }) => name,
      taken: ({ name }) => `namespaces "${name}" already exists`,
      seconds: 0.5,
      removed(world, namespace) {
        for (const inside of Object.values(world.state.items))
          if (inside.namespace === namespace.name) world.drop(inside);
      },
    },
    Secret: { id: namespacedId },
    Service: { id: namespacedId },
    PersistentVolumeClaim: { id: namespacedId },
  },
};
