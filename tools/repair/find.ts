import { importIdOf } from "../../components/adoption.ts";
import { GATEWAY_RELEASE } from "../../components/ingress-gateway.ts";
import type { Registration } from "../../project/record.ts";
import type { Settings } from "../../settings/settings.ts";
import type { AskOci } from "../doctor/oci-cli.ts";
import type { AskVault } from "../doctor/vault-api.ts";
import type { AskCloudflare } from "../lib/cloudflare-api.ts";
import { failureOf } from "../lib/http.ts";
import { findAtCloudflare, findRival, RECORD } from "./cloudflare.ts";
import { adopt, clear, type Finding, mend, refuse, tell } from "./findings.ts";
import { judgeRelease } from "./helm.ts";
import { importCommand } from "./import-command.ts";
import type { Cluster, HelmRecord, ObjectName } from "./kubernetes.ts";
import { findAtOci } from "./oci.ts";
import {
  isInterrupted,
  knownIn,
  type LostCreate,
  lostCreates,
  resourcesIn,
  type State,
  type StateResource,
} from "./state.ts";
import { findInVault } from "./vault.ts";

// Compares the state, the program and the clouds. It reads, and changes nothing.

/** Where things are. */
export interface Systems {
  readonly cluster: Cluster;
  /** @throws when it cannot be asked at all */
  readonly cloudflare: () => AskCloudflare;
  readonly vault: AskVault;
  readonly oci: AskOci;
}

/** A stack as it is known here. */
export interface Known {
  /** Its name, with or without organisation and project. */
  readonly stack: string;
  readonly settings: Settings;
  /** What the program would make. */
  readonly registrations: readonly Registration[];
  readonly state: State;
}

/** The type of a Helm release. */
export const RELEASE = "kubernetes:helm.sh/v3:Release";

/** Finds what runs have left that were cut off, and what stands where the program would make something. */
export async function find(known: Known, systems: Systems, now: Date): Promise<Finding[]> {
  const { state, registrations } = known;
  const lost = lostCreates(state);
  const isLost = (urn: string) => lost.some(({ resource }) => resource.urn === urn);
  const unmade = registrations.filter(({ urn, custom }) => custom && !isLost(urn) && knownIn(state, urn) === undefined);
  const found = await Promise.all([
    ...resourcesIn(state).filter(isUnread).map(unread),
    findReleases(known, lost, systems.cluster, now),
    ...lost.filter(({ resource }) => resource.type !== RELEASE).map((it) => findLost(it, known, systems)),
    ...unmade.map((registration) => findOthers(registration, known, systems)),
  ]);
  return found.flat().filter((finding) => finding !== undefined);
}

/** Whether a resource was taken over by a repair that was cut off itself. */
const isUnread = ({ custom, type, outputs = {} }: StateResource) =>
  custom && !type.startsWith("pulumi:") && Object.keys(outputs).every((key) => key === MANAGER);

/** Where the Kubernetes provider keeps its field manager: https://github.com/pulumi/pulumi-kubernetes/blob/94977969d/provider/pkg/provider/provider.go */
const MANAGER = "__fieldManager";

const unread = ({ urn, id = "" }: StateResource): Finding =>
  mend(id, "is in the state, which was never told how it is", "it is read", { do: "read", urn });

/** Whether a resource is a part of an object that need not be its own: no create of it meets one that is there. */
const isPatch = (type: string) => type.endsWith("Patch");

async function findReleases(
  known: Known,
  lost: readonly LostCreate[],
  cluster: Cluster,
  now: Date,
): Promise<Finding[]> {
  const { settings, state, registrations } = known;
  const urns = new Set(
    [...lost.map(({ resource }) => resource), ...resourcesIn(state), ...registrations]
      .filter(({ type }) => type === RELEASE)
      .map(({ urn }) => urn),
  );
  if (urns.size === 0) return [];
  let records: Map<string, HelmRecord[]>;
  try {
    records = await cluster.records();
  } catch (error) {
    return [unasked("Helm's records", error)];
  }
  const { address } = settings.loadBalancer ?? {};
  return [...urns].flatMap((urn) => {
    const create = lost.find(({ resource }) => resource.urn === urn);
    const stored = knownIn(state, urn);
    const registration = registrations.find((it) => it.urn === urn);
    const { inputs = {} } = create?.resource ?? stored ?? registration ?? {};
    const { name, namespace } = inputs as { name?: string; namespace?: string };
    if (name === undefined || namespace === undefined) return [];
    const release = {
      namespace,
      name,
      records: records.get(`${namespace}/${name}`) ?? [],
      lost: create,
      known: stored,
      isInterrupted: isInterrupted(state, urn),
      holdsAddress: name === GATEWAY_RELEASE && address?.kind === "reserved" && address.id !== undefined,
      takeover: registration === undefined ? "remove it" : importCommand(registration, `${namespace}/${name}`, known),
    };
    return judgeRelease(release, now) ?? [];
  });
}

/** What a create has left. */
async function findLost(lost: LostCreate, known: Known, systems: Systems): Promise<Finding> {
  const { state, registrations } = known;
  const { resource } = lost;
  const { type, inputs = {} } = resource;
  const subject = importIdOf(type, inputs) ?? resource.urn;
  try {
    const registration = registrations.find(({ urn }) => urn === resource.urn);
    const takeover = (id: string) =>
      registration === undefined ? "remove it" : `remove it, or ${importCommand(registration, id, known)}`;
    const finding = await look(lost, resourcesIn(state), systems, takeover);
    const [step] = finding.steps;
    if (step?.do !== "import" || missing(state, resource).length === 0) return finding;
    const found = `${finding.found}; what it stood on is not in the state any more`;
    return tell(finding.subject, found, takeover(step.adoption.id));
  } catch (error) {
    return unasked(subject, error);
  }
}

const unasked = (subject: string, error: unknown) =>
  refuse(subject, `may be there; it could not be asked: ${failureOf(error)}`, "see to that, and run this again");

/** What a resource stands on, and the state does not have. */
const missing = (state: State, { parent, provider, dependencies = [] }: StateResource): string[] =>
  [parent, provider?.replace(/::[^:]*$/, ""), ...dependencies].filter(
    (urn) => urn !== undefined && urn !== "" && !resourcesIn(state).some((it) => it.urn === urn),
  ) as string[];

type Takeover = (id: string) => string;

function look(lost: LostCreate, all: readonly StateResource[], systems: Systems, takeover: Takeover): Promise<Finding> {
  switch (lost.resource.type.split(":")[0]) {
    case "kubernetes":
      return findInCluster(lost, systems.cluster, takeover);
    case "cloudflare":
      return findAtCloudflare(lost, all, systems.cloudflare());
    case "vault":
      return findInVault(lost, systems.vault);
    case "oci":
      return findAtOci(lost, all, systems.oci);
    default:
      throw new Error(`this does not know how to look for ${lost.resource.type}`);
  }
}

async function findInCluster({ resource, known }: LostCreate, cluster: Cluster, takeover: Takeover): Promise<Finding> {
  const object = objectOf(resource.type, resource.inputs ?? {});
  const id = importIdOf(resource.type, resource.inputs ?? {}) ?? "";
  const subject = `${object.kind} ${id}`;
  if (known?.id === id) return clear(subject, "is in the state by now");
  if (isPatch(resource.type)) return clear(subject, "is written to once more by the next up, whoever made it");
  const there = await cluster.object(object);
  if (there === undefined) return clear(subject, "is not there");
  if (!there.byPulumi) return tell(subject, "is there, and was not made by Pulumi", takeover(id));
  return adopt(subject, { resource, id, outputs: there.manager === undefined ? {} : { [MANAGER]: there.manager } });
}

/** What names the object of a resource of the Kubernetes provider's. */
export function objectOf(type: string, inputs: Readonly<Record<string, unknown>>): ObjectName {
  const { metadata } = inputs as { metadata: { name: string; namespace?: string } };
  const [, version = "", kind = ""] = type.split(":");
  // Pulumi names a group that Kubernetes leaves out.
  const apiVersion = version.replace(/^core\//, "");
  const { name, namespace } = metadata;
  return { apiVersion, kind, name, ...(namespace !== undefined && { namespace }) };
}

/** What stands where the program would make something, and no run is known to have made. */
async function findOthers(
  registration: Registration,
  known: Known,
  { cluster, cloudflare }: Systems,
): Promise<Finding | undefined> {
  const { type, inputs } = registration;
  const takeover = (id: string) => importCommand(registration, id, known);
  const id = importIdOf(type, inputs);
  try {
    if (type === RECORD) {
      const api = cloudflare();
      return await findRival({ domain: known.settings.domain, name: String(inputs.name) }, takeover, api);
    }
    if (!type.startsWith("kubernetes:") || type === RELEASE || isPatch(type) || id === undefined) return undefined;
    if ((await cluster.object(objectOf(type, inputs))) === undefined) return undefined;
    const found = "is there, and no run is known to have been cut off while it made it";
    return tell(`${type.split(":").at(-1)} ${id}`, found, `remove it, or ${takeover(id)}`);
  } catch (error) {
    // Nothing of a run's is lost with it.
    return tell(
      id ?? registration.urn,
      `could not be asked for: ${failureOf(error)}`,
      "the next up says whether it is in the way",
    );
  }
}
