import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isProviders } from "../../project/registration.ts";
import type { PulumiCli } from "../lib/pulumi.ts";
import { refreshOf, removeEmptySidecars, told } from "./backend.ts";

// A stack's state, as `pulumi stack export` writes it: what a run has made, and what it was making when it was cut off.
// Secrets stay sealed in it.

/** A resource in the state: https://github.com/pulumi/pulumi/blob/v3.259.0/sdk/go/common/apitype/core.go, ResourceV3 */
export interface StateResource {
  readonly urn: string;
  readonly type: string;
  readonly custom: boolean;
  readonly id?: string;
  readonly parent?: string;
  /** URN and id of the provider, `urn::id`. */
  readonly provider?: string;
  readonly dependencies?: readonly string[];
  readonly inputs?: Readonly<Record<string, unknown>>;
  readonly outputs?: Readonly<Record<string, unknown>>;
  /** Whether it is about to be deleted, since another has its place. */
  readonly delete?: boolean;
  /** Whether it is deleted already, and what is to have its place is yet to be made. */
  readonly pendingReplacement?: boolean;
  /** Why it is not as it was asked for; the next `up` tries again. */
  readonly initErrors?: readonly string[];
}

/** What a run was doing to a resource when it was cut off. */
interface Operation {
  readonly resource: StateResource;
  readonly type: string;
}

/** What `pulumi stack export` writes. */
export interface State {
  readonly version: number;
  readonly deployment: {
    readonly resources?: readonly StateResource[];
    readonly pending_operations?: readonly Operation[];
  };
}

export const resourcesIn = ({ deployment }: State): readonly StateResource[] => deployment.resources ?? [];

/** A create that was cut off, whose object may be there or not. */
export interface LostCreate {
  readonly resource: StateResource;
  /** What the state has in its place. */
  readonly known: StateResource | undefined;
}

/**
 * The creates that were cut off; of several of one resource the last. Components and providers are not among them, which
 * are the engine's alone.
 */
export function lostCreates(state: State): LostCreate[] {
  const operations = (state.deployment.pending_operations ?? []).filter(
    ({ type, resource }) => type === "creating" && isProviders(resource.type),
  );
  const newest = new Map(operations.map(({ resource }) => [resource.urn, resource]));
  return [...newest.values()].map((resource) => ({ resource, known: knownIn(state, resource.urn) }));
}

/** What the state has of a resource, but for what is deleted, or about to be. */
export const knownIn = (state: State, urn: string): StateResource | undefined =>
  resourcesIn(state).find((it) => it.urn === urn && it.delete !== true && it.pendingReplacement !== true);

/** Whether a run was cut off while it did something to a resource. */
export const isInterrupted = ({ deployment }: State, urn: string): boolean =>
  (deployment.pending_operations ?? []).some(({ resource }) => resource.urn === urn);

/** An object that becomes the state's. */
export interface Adoption {
  /** As the run that was cut off would have stored it. */
  readonly resource: StateResource;
  /** As the provider's import takes it. */
  readonly id: string;
  /** What the provider must be told to read it. */
  readonly outputs: Readonly<Record<string, unknown>>;
}

/** What is changed in a state. */
export interface Edits {
  readonly adopted: readonly Adoption[];
  /** URNs of what the next `up` is to update, whatever it finds. */
  readonly unfinished: readonly string[];
}

/** The state with the changes, and without what was cut off. */
export function edited(state: State, { adopted, unfinished }: Edits): State {
  const taken = new Map(adopted.map(({ resource, id, outputs }) => [resource.urn, { ...resource, id, outputs }]));
  const isGone = ({ urn, pendingReplacement }: StateResource) => pendingReplacement === true && taken.has(urn);
  const inPlace = new Set(resourcesIn(state).flatMap((it) => (isGone(it) ? it.urn : [])));
  const resources = resourcesIn(state).map((it) => {
    // In the place of what is gone: deleted once more, it would take along what has its name by now.
    if (isGone(it)) return taken.get(it.urn) ?? it;
    if (taken.has(it.urn)) return { ...it, delete: true };
    return unfinished.includes(it.urn) ? { ...it, initErrors: ["a run was cut off"] } : it;
  });
  const added = [...taken.values()].filter(({ urn }) => !inPlace.has(urn));
  const { pending_operations: _, ...deployment } = state.deployment;
  return { ...state, deployment: { ...deployment, resources: [...resources, ...added] } };
}

/** @throws with Pulumi's own words */
export const exportState = (pulumi: PulumiCli, stack: string): Promise<State> =>
  inPrivateFile(async (file) => {
    const read = () =>
      told(pulumi, `the state of stack ${stack} cannot be read`, ["stack", "export", "--file", file], stack);
    await read().catch(async (error) => {
      if (!(await removeEmptySidecars(pulumi))) throw error;
      await read();
    });
    return JSON.parse(await readFile(file, "utf8")) as State;
  });

/**
 * Puts a state in the place of the one that is there. Pulumi checks that it is whole, and forgets what was cut off.
 *
 * Not `pulumi refresh --import-pending-creates`: it forgets the resource that it is told to import, since no engine
 * takes up what it marks (https://github.com/pulumi/pulumi/blob/v3.259.0/pkg/cmd/pulumi/operations/refresh.go).
 *
 * @throws with Pulumi's own words
 */
export const importState = (pulumi: PulumiCli, stack: string, state: State): Promise<void> =>
  inPrivateJson(state, (file) =>
    told(pulumi, `the state of stack ${stack} cannot be written`, ["stack", "import", "--file", file], stack),
  );

/**
 * Has the providers say how resources are, and nothing else.
 *
 * @throws with Pulumi's own words
 */
export const refresh = (pulumi: PulumiCli, stack: string, urns: readonly string[]): Promise<void> =>
  told(pulumi, "what is there cannot be read into the state", refreshOf(urns), stack);

/** A file of JSON that nobody else may read, and that does not stay. */
export const inPrivateJson = (value: unknown, work: (file: string) => Promise<void>): Promise<void> =>
  inPrivateFile(async (file) => {
    await writeFile(file, JSON.stringify(value), { mode: 0o600 });
    await work(file);
  });

/** A file that nobody else may read, and that does not stay. */
async function inPrivateFile<T>(work: (file: string) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), "oke-platform-"));
  try {
    return await work(join(directory, "state.json"));
  } finally {
    await rm(directory, { recursive: true });
  }
}
