import { chartOf } from "../../components/release.ts";
import type { Registration } from "../../project/record.ts";
import { plain, same } from "../../project/registration.ts";
import { RELEASE } from "../repair/find.ts";
import type { ObjectName } from "../repair/kubernetes.ts";
import type { Action, Place } from "./actions.ts";
import { markOf, parentsOf } from "./applications.ts";
import { subjectOf } from "./charts.ts";
import {
  fieldRows,
  isIssued,
  labelRows,
  placeOf,
  removal,
  subjectOf as shownTaken,
  type Taken,
  takenOver,
} from "./compare.ts";
import { DEFINITION } from "./find.ts";
import {
  type ApplicationFound,
  type Found,
  type Installation,
  keyOf,
  nameOf,
  type ParentFound,
  shownName,
} from "./found.ts";
import { definedBy } from "./installations.ts";
import { type Plan, type Row, row } from "./plan.ts";
import type { RecordToImport } from "./records.ts";
import type { Reproduction } from "./settings.ts";

// From what was found to what is said and done.

export interface Planning {
  readonly found: Found;
  readonly reproduction: Reproduction;
  /** Records at Cloudflare that stand where the program would make its own. */
  readonly records: readonly RecordToImport[];
  /** Fields that go because the operator has asked for it. */
  readonly removed: readonly string[];
}

/** What a takeover would say and do. */
export function planOf({ found, reproduction, records, removed }: Planning): Plan {
  const { own, registrations, values, before } = reproduction;
  const taken = takenOver(registrations, found);
  const applications = found.applications.filter((application) => isTouched(application, own, taken));
  const chain = fromTheTop(applications, found.applications);
  const ours = oursAmong(own, taken);
  const mixed = applications.filter(({ objects }) => objects.some((object) => !ours.has(keyOf(object))));
  const rows: Row[] = [
    ...own.map((it) =>
      row("take", subjectOf(it), `becomes the Helm release ${it.release.namespace}/${it.release.name}`),
    ),
    ...taken.map((it) => row("take", shownTaken(it), "becomes the stack's")),
    ...records.map((record) => record.row),
    ...reproduction.rows,
    ...fieldRows(taken, removed),
    ...labelRows(registrations, found),
    ...refusedRemovals(taken, removed),
    ...applications.flatMap((it) => madeBySet(it, found.applications)),
    ...goingRows(chain),
    ...unowned(registrations, own, found),
    ...marked(ours, found),
    ...parentRows(chain, found.applications),
    ...mixed.map((it) => mixedRow(it, ours)),
    ...strangers(found, chain),
  ];
  if (rows.some(({ kind }) => kind === "refuse")) return { rows, actions: [] };
  return {
    rows,
    actions: [
      ...(Object.keys(values).length > 0 ? [{ do: "write-settings" as const, values, before }] : []),
      ...chain
        .filter(({ automated }) => automated !== null)
        .map((it) => ({ do: "stop-sync" as const, application: placeOfApplication(it), before: it.automated })),
      { do: "wait-for-no-operation", applications: chain.map(placeOfApplication) },
      ...own.flatMap((it) => marks(it, found)),
      ...mixed.flatMap((it) => guards(it, ours, found)),
      ...own.flatMap((it) => it.records.map((record) => ({ do: "set-aside-record" as const, record }))),
      ...records.map(({ urn, file }) => ({ do: "import" as const, urn, file })),
      { do: "up-with-upsert" },
      { do: "up" },
      ...removals(taken, removed),
      { do: "verify" },
      ...applications
        .filter((it) => !mixed.includes(it))
        .map((it) => ({
          do: "remove-application-without-cascade" as const,
          application: placeOfApplication(it),
          parents: parentsOf(it, found.applications).map(placeOfApplication),
        })),
      ...own
        .filter((it) => it.records.length > 0)
        .map((it) => ({ do: "forget-records" as const, records: it.records })),
    ],
  };
}

const placeOfApplication = ({ namespace, name }: Place): Place => ({ namespace, name });

const isTouched = (application: ApplicationFound, own: readonly Installation[], taken: readonly Taken[]): boolean =>
  own.some((it) => it.application === application) ||
  application.objects.some((object) => taken.some(({ live }) => keyOf(nameOf(live)) === keyOf(object)));

/** Keys of everything that becomes the stack's. */
const oursAmong = (own: readonly Installation[], taken: readonly Taken[]): ReadonlySet<string> =>
  new Set([...own.flatMap(({ objects }) => objects.map(keyOf)), ...taken.map(({ live }) => keyOf(nameOf(live)))]);

/** With what makes them, which comes first: it would set right again what is done to them. */
function fromTheTop(applications: readonly ApplicationFound[], all: readonly ApplicationFound[]): ApplicationFound[] {
  const parents = applications.flatMap((it) =>
    parentsOf(it, all)
      .reverse()
      .map((parent) => applicationAt(parent, all)),
  );
  return [...new Set([...parents.filter((it) => it !== undefined), ...applications])];
}

const applicationAt = (place: ParentFound, all: readonly ApplicationFound[]) =>
  all.find((it) => place.kind === "Application" && it.name === place.name && it.namespace === place.namespace);

/** An ApplicationSet makes its Applications again, whatever is done to them. */
function madeBySet(application: ApplicationFound, all: readonly ApplicationFound[]): Row[] {
  const set = parentsOf(application, all).find(({ kind }) => kind === "ApplicationSet");
  if (set === undefined) return [];
  return [
    row(
      "refuse",
      `Application ${application.namespace}/${application.name}`,
      `is made by ApplicationSet ${set.namespace}/${set.name}, which makes it again whatever is done to it`,
      "there, set spec.syncPolicy.applicationsSync to create-update, and take it out of the generators; then kubectl " +
        `-n ${application.namespace} patch application ${application.name} --type merge -p '{"metadata":{"ownerReferences":null}}', and run this again`,
    ),
  ];
}

/** What ArgoCD is about to take away is not to be taken over meanwhile. */
const goingRows = (applications: readonly ApplicationFound[]): Row[] =>
  applications
    .filter(({ isGoing }) => isGoing)
    .map(({ namespace, name }) =>
      row(
        "refuse",
        `Application ${namespace}/${name}`,
        "is being deleted, and what it made goes with it",
        "wait until it is gone, or take its finalizers away, and see what is left",
      ),
    );

/** Definitions of a chart that is no Application's and no Helm's: its install would fail at them, when nothing can be undone. */
function unowned(registrations: readonly Registration[], own: readonly Installation[], { objects }: Found): Row[] {
  const releases = registrations.filter(({ type }) => type === RELEASE).map(({ inputs }) => plain(inputs));
  return releases.flatMap((inputs) => {
    const { chart } = chartOf(inputs);
    if (own.some((it) => it.chart === chart)) return [];
    const left = [...objects.values()].flatMap(({ kind, metadata: { name = "", annotations } = {} }) =>
      kind === DEFINITION.kind &&
      definedBy(String(chart), name) &&
      annotations?.["meta.helm.sh/release-name"] !== inputs.name
        ? [name]
        : [],
    );
    if (left.length === 0) return [];
    return [
      row(
        "refuse",
        `chart ${chart}`,
        `has ${left.length} definition(s) here, such as ${left.sort()[0]}, and no Application and no Helm release is found that installed them`,
        "have an Application of this cluster's ArgoCD, or Helm, install it first",
      ),
    ];
  });
}

/** Objects of Applications that say to be elsewhere, which would go on to set them back. */
const marked = (ours: ReadonlySet<string>, { applications, objects }: Found): Row[] =>
  [...objects].flatMap(([key, object]) => {
    const owner = ours.has(key) ? markOf(object) : undefined;
    if (owner === undefined || applications.some((it) => it.objects.some((other) => keyOf(other) === key))) return [];
    return [
      row(
        "refuse",
        shownName(nameOf(object)),
        `bears the mark of ArgoCD's Application ${owner}, which is not here, or has another destination than this cluster`,
        "give that destination.server https://kubernetes.default.svc; if it is no more, take away the annotation argocd.argoproj.io/tracking-id",
      ),
    ];
  });

/** What somebody must do about what makes the Applications, so that they are not made again. */
function parentRows(chain: readonly ApplicationFound[], all: readonly ApplicationFound[]): Row[] {
  const children = new Map<ApplicationFound, string[]>();
  for (const { name, parent } of chain) {
    const found = parent && applicationAt(parent, all);
    if (found !== undefined) children.set(found, [...(children.get(found) ?? []), name]);
  }
  return [...children].map(([{ namespace, name }, names]) =>
    row(
      "see",
      `Application ${namespace}/${name}`,
      `makes ${names.join(", ")}; it syncs no more by itself`,
      "let it sync again when the platform's Applications are out of Git; before that it would make them again",
    ),
  );
}

function mixedRow({ namespace, name, objects }: ApplicationFound, ours: ReadonlySet<string>): Row {
  const others = objects.filter((object) => !ours.has(keyOf(object)));
  const [first] = others;
  return row(
    "stays",
    `Application ${namespace}/${name}`,
    `has ${others.length} object(s) that are not the platform's, such as ${first && shownName(first)}; it is kept, and syncs no more by itself`,
    "take the platform's objects out of its Git, and let it sync by itself again",
  );
}

/** Applications that are not touched at all. */
const strangers = ({ applications }: Found, chain: readonly ApplicationFound[]): Row[] =>
  applications
    .filter((it) => !chain.includes(it))
    .map(({ namespace, name }) => row("stays", `Application ${namespace}/${name}`, "has nothing of the platform's"));

/** By what Helm knows that an object is a release's: https://github.com/helm/helm/blob/v3.20.0/pkg/action/validate.go */
const marksOf = ({ release }: Installation) => ({
  labels: { "app.kubernetes.io/managed-by": "Helm" },
  annotations: { "meta.helm.sh/release-name": release.name, "meta.helm.sh/release-namespace": release.namespace },
});

function marks(installation: Installation, found: Found): Action[] {
  const { labels, annotations } = marksOf(installation);
  // Those too that somebody has applied beside the Application.
  const definitions = [...found.objects.values()]
    .map(nameOf)
    .filter(({ kind, name }) => kind === DEFINITION.kind && definedBy(installation.chart, name));
  const names = new Map([...installation.objects, ...definitions].map((name) => [keyOf(name), name]));
  return [...names.values()].flatMap((object) => mark(object, labels, annotations, found));
}

/** https://argo-cd.readthedocs.io/en/stable/user-guide/sync-options/ */
const GUARD = "Prune=false,Delete=false";

/** ArgoCD takes nothing of the platform's away: neither when it goes out of the Git of an Application that stays, nor with that. */
function guards({ objects }: ApplicationFound, ours: ReadonlySet<string>, found: Found): Action[] {
  const guarded = objects.filter((object) => ours.has(keyOf(object)));
  return guarded.flatMap((object) => mark(object, {}, { "argocd.argoproj.io/sync-options": GUARD }, found));
}

function mark(
  object: ObjectName,
  labels: Readonly<Record<string, string>>,
  annotations: Readonly<Record<string, string>>,
  { objects }: Found,
): Action[] {
  const live = objects.get(keyOf(object));
  if (live === undefined) return [];
  const { metadata = {} } = live;
  const beforeOf = (wanted: object, has: Readonly<Record<string, string>> = {}) =>
    Object.fromEntries(Object.keys(wanted).map((key) => [key, has[key] ?? null]));
  const before = {
    labels: beforeOf(labels, metadata.labels),
    annotations: beforeOf(annotations, metadata.annotations),
  };
  if (same(before, { labels, annotations })) return [];
  return [{ do: "mark", object: nameOf(live), labels, annotations, before }];
}

function refusedRemovals(taken: readonly Taken[], removed: readonly string[]): Row[] {
  const fields = taken.flatMap((object) => object.fields.map((field) => ({ object, field })));
  return removed.flatMap((place) => {
    const named = fields.find(({ object, field }) => field.ours === undefined && placeOf(object, field) === place);
    if (named === undefined)
      return [row("refuse", "--remove", `${place} is no field that the plan keeps`, "name one that it does")];
    return isIssued(named.object, named.field)
      ? [row("refuse", "--remove", `without ${place} the certificate is issued anew`, "leave it")]
      : [];
  });
}

const removals = (taken: readonly Taken[], removed: readonly string[]): Action[] =>
  taken.flatMap((object) =>
    object.fields
      .filter((field) => removed.includes(placeOf(object, field)))
      .map((field) => ({ do: "remove-field" as const, object: nameOf(object.live), patch: removal(field) })),
  );
