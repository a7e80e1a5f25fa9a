import { runs, startsWith } from "./kubernetes.ts";
import type { Item } from "./state.ts";
import type { Happening, System, World } from "./world.ts";

// Reflector, which copies Secrets to the namespaces that their annotations allow.
// https://github.com/emberstack/kubernetes-reflector/blob/v10.0.17/README.md

const annotationsOf = (secret: Item) => secret.spec.annotations as Record<string, string> | undefined;

const copiesOf = (world: World, { namespace, name }: Item) =>
  world.items("Secret").filter((secret) => secret.spec.reflects === `${namespace}/${name}`);

/** Comma-separated patterns that must match the whole name; none means every namespace. */
const matches = (list: string | undefined, namespace: string) =>
  !list || list.split(",").some((pattern) => new RegExp(`^(?:${pattern.trim()})$`).test(namespace));

const reflect: Happening = (world, source) => {
  if (!runs(world, "reflector")) return;
  const origin = `${source.namespace}/${source.name}`;
  const annotation = (name: string) => annotationsOf(source)?.[`reflector.v1.k8s.emberstack.com/reflection-${name}`];
  for (const { name: namespace } of world.items("Namespace")) {
    if (namespace === source.namespace) continue;
    const there = world.item(`Secret ${namespace}/${source.name}`);
    // An object that Reflector did not make is left alone, silently.
    if (there !== undefined && there.spec.reflects !== origin) continue;
    const wanted =
      annotation("allowed") === "true" &&
      annotation("auto-enabled") === "true" &&
      matches(annotation("allowed-namespaces"), namespace) &&
      matches(annotation("auto-namespaces"), namespace);
    // Its type and data alone: who issued it, annotations say.
    const { annotations: _, issuer: __, issuerKind: ___, ...data } = source.spec;
    if (wanted) world.put({ kind: "Secret", namespace, name: source.name, spec: { ...data, reflects: origin } });
    else if (there) world.drop(there);
  }
};

const reflectSoon = (world: World, secret: Item) => world.after(world.seconds("reflection"), "reflect", secret);

export const reflector: System = {
  kinds: {},
  happenings: { reflect },
  /** From a Secret to its copy. */
  durations: { reflection: 1 },
  seen(world, item) {
    if (item.kind === "Secret" && annotationsOf(item)) reflectSoon(world, item);
    const isNew = item.kind === "Namespace" && item.ready;
    if (!isNew && !startsWith(world, item, "reflector")) return;
    for (const secret of world.items("Secret")) if (annotationsOf(secret)) reflectSoon(world, secret);
  },
  gone(world, item) {
    if (item.kind === "Secret" && runs(world, "reflector")) for (const copy of copiesOf(world, item)) world.drop(copy);
  },
};
