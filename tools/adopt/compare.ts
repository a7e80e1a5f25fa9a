import type { Registration } from "../../project/record.ts";
import { plain, same } from "../../project/registration.ts";
import { isRecord } from "../../settings/fields.ts";
import { spelled } from "../../settings/rule.ts";
import { objectOf } from "../repair/find.ts";
import type { LiveObject, MergePatch } from "./cluster.ts";
import { isObject } from "./find.ts";
import { type Found, keyOf, shownName } from "./found.ts";
import { type Row, row } from "./plan.ts";

// What an object has that the program does not say, and what it says otherwise. An apply adds and overwrites, and removes
// nothing that only others have said: https://kubernetes.io/docs/reference/using-api/server-side-apply/

/** A field of a live object. */
export interface Field {
  readonly path: readonly string[];
  readonly live: unknown;
  /** What the program says there. @default - nothing: the field stays */
  readonly ours?: unknown;
}

/** An object that the provider takes over. */
export interface Taken {
  readonly registration: Registration;
  readonly live: LiveObject;
  readonly fields: readonly Field[];
}

/** The objects beside the charts' that are there, each with what differs. */
export function takenOver(registrations: readonly Registration[], { objects }: Found): Taken[] {
  return registrations.filter(isObject).flatMap((registration) => {
    const inputs = plain(registration.inputs);
    const live = objects.get(keyOf(objectOf(registration.type, inputs)));
    return live === undefined ? [] : [{ registration, live, fields: fieldsOf(inputs, live) }];
  });
}

/** Namespaces of the platform that get labels by which the API server judges every pod in them, others' too. */
export function labelRows(registrations: readonly Registration[], { objects }: Found): Row[] {
  return registrations.filter(isObject).flatMap(({ type, inputs }) => {
    const { kind, name } = objectOf(type, plain(inputs));
    if (!/^Namespace(Patch)?$/.test(kind)) return [];
    const live = objects.get(keyOf({ apiVersion: "v1", kind: "Namespace", name }));
    const { labels = {} } = (plain(inputs).metadata ?? {}) as { labels?: Strings };
    const missing = Object.entries(labels).filter(([key, value]) => live?.metadata?.labels?.[key] !== value);
    if (live === undefined || missing.length === 0) return [];
    const added = missing.map(([key, value]) => `${key}: ${value}`).join(", ");
    return [
      row("change", `Namespace ${name}`, `gets ${added}; a pod of others in it that does not fit is not made again`),
    ];
  });
}

/** Annotations that are others' bookkeeping, or the provider's own. */
const BOOKKEEPING = /^(argocd\.argoproj\.io\/|kubectl\.kubernetes\.io\/|pulumi\.com\/)|^deprecated\.daemonset/;
/** Labels by which ArgoCD tracks, and which the API server writes itself. */
const TRACKING = ["app.kubernetes.io/instance", "kubernetes.io/metadata.name"];

function fieldsOf(inputs: Readonly<Record<string, unknown>>, live: LiveObject): Field[] {
  const ours = inputs as { spec?: unknown; metadata?: { annotations?: Strings; labels?: Strings } };
  // Where somebody has said what he applies, what the API server added to it is no field of his.
  const said = saidOf(live);
  return [
    ...differing(ours.metadata?.annotations ?? {}, said.metadata?.annotations ?? {}, ["metadata", "annotations"]),
    ...differing(ours.metadata?.labels ?? {}, said.metadata?.labels ?? {}, ["metadata", "labels"]),
    ...differing(ours.spec ?? {}, said.spec ?? {}, ["spec"]),
  ].filter(({ path: [, part, key = ""] }) =>
    part === "annotations" ? !BOOKKEEPING.test(key) : part !== "labels" || !TRACKING.includes(key),
  );
}

type Strings = Readonly<Record<string, string>>;

const LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration";

/** What was applied, in the words of who did; else all that is there. */
function saidOf(live: LiveObject): LiveObject {
  const applied = live.metadata?.annotations?.[LAST_APPLIED];
  if (applied === undefined) return live;
  try {
    return JSON.parse(applied) as LiveObject;
  } catch {
    return live;
  }
}

/** Map by map; a list is one value, as an apply takes it in custom resources. */
function differing(ours: unknown, live: unknown, path: readonly string[]): Field[] {
  if (!isRecord(live)) return same(live, ours) ? [] : [{ path, live, ours }];
  const mine = isRecord(ours) ? ours : {};
  return Object.entries(live).flatMap(([key, value]): Field[] => {
    const at = [...path, key];
    if (!Object.hasOwn(mine, key)) return isRecord(value) ? differing({}, value, at) : [{ path: at, live: value }];
    // What only the cloud knows is in no registration.
    return mine[key] === undefined ? [] : differing(mine[key], value, at);
  });
}

/** The rows of what differs, and which fields go because the operator has asked for it, by their {@link placeOf}. */
export function fieldRows(taken: readonly Taken[], removed: readonly string[]): Row[] {
  return taken.flatMap((object) =>
    object.fields.map((field) => {
      const subject = subjectOf(object);
      const place = spelled(field.path);
      if (field.ours !== undefined)
        return row("change", subject, `${place}: ${shown(field.live)} becomes ${shown(field.ours)}`);
      if (removed.includes(placeOf(object, field))) return row("remove", subject, `${place}: ${shown(field.live)}`);
      return isIssued(object, field)
        ? row("keep", subject, `${place}: ${shown(field.live)}; without it the certificate would be issued anew`)
        : row("keep", subject, `${place}: ${shown(field.live)}`, `goes with --remove '${placeOf(object, field)}'`);
    }),
  );
}

/** Fields of a Certificate without which it is not issued anew. */
const NOT_ISSUED = /^spec\.(secretTemplate|revisionHistoryLimit|renewBefore|renewBeforePercentage)\b|^metadata\b/;

/** Whether the certificate that is there was asked for with this field. */
export const isIssued = (taken: Taken, { path }: Field): boolean =>
  taken.live.kind === "Certificate" && !NOT_ISSUED.test(path.join("."));

/** The patch that takes a field away. */
export const removal = ({ path }: Field): MergePatch =>
  path.reduceRight<unknown>((inside, key) => ({ [key]: inside }), null) as MergePatch;

const shown = (value: unknown) => {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length > 200 ? `${text.slice(0, 199)}…` : text;
};

export const subjectOf = ({ registration: { type, inputs } }: Taken): string =>
  shownName(objectOf(type, plain(inputs)));

/** How an operator names a field: `Certificate cert-manager/tls-wildcard-cluster spec.commonName`. */
export const placeOf = (taken: Taken, { path }: Field): string => `${subjectOf(taken)} ${spelled(path)}`;
