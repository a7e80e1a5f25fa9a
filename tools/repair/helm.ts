import { RELEASE_SECONDS } from "../../components/release.ts";
import { clear, type Finding, mend, refuse, tell } from "./findings.ts";
import type { HelmRecord } from "./kubernetes.ts";
import type { LostCreate, StateResource } from "./state.ts";

// What the records of a Helm release say of the run that wrote them, and what is done about them. Install refuses a name
// that has any record, and takes over objects that carry the release's marks; upgrade refuses one that is pending:
// https://github.com/helm/helm/tree/v3.20.0/pkg/action

/** A release that this stack makes. */
export interface Release {
  readonly namespace: string;
  readonly name: string;
  /** Oldest first. */
  readonly records: readonly HelmRecord[];
  /** Its create, if a run was cut off in it. */
  readonly lost: LostCreate | undefined;
  /** What the state has of it. */
  readonly known: StateResource | undefined;
  /** Whether a run was cut off while it did something to it. */
  readonly isInterrupted: boolean;
  /** Whether its Service has an address that the program looks for in a first install: then it must not be one. */
  readonly holdsAddress: boolean;
  /** What takes over one that is somebody else's. */
  readonly takeover: string;
}

/** Seconds after which nobody waits any more for what a record says. */
const ALIVE_SECONDS = RELEASE_SECONDS;

/** What is found of a release, and what is done; undefined when all is well, or it is not there. */
export function judgeRelease(release: Release, now: Date): Finding | undefined {
  const newest = release.records.at(-1);
  if (newest === undefined) return release.lost && clear(subjectOf(release), "is not there");
  return release.known === undefined ? judgeUnknown(release, newest, now) : judgeKnown(release, newest, now);
}

const subjectOf = ({ namespace, name }: Release) => `Helm release ${name} in ${namespace}`;

const isPending = ({ status }: HelmRecord) => status.startsWith("pending-");

function judgeKnown(release: Release, newest: HelmRecord, now: Date): Finding | undefined {
  const { namespace, records, known, isInterrupted } = release;
  const subject = subjectOf(release);
  const found = `${newest.status} in revision ${newest.revision}, and in the state`;
  if (newest.status === "uninstalling")
    return tell(subject, found, "another destroy ends it, or an up that takes it away; an up that keeps it cannot");
  if (!isPending(newest)) return release.lost && clear(subject, found);
  if (!isInterrupted && !newest.byPulumi) return othersUpgrade(release, newest);
  if (!isInterrupted && isFresh(newest, now)) return alive(subject, newest, now);
  // The one before counts again.
  if (records.length > 1)
    return mend(
      subject,
      `${found}: a run was cut off`,
      `its record ${newest.name} is deleted, so that the next up upgrades the one before`,
      { do: "delete-records", namespace, records: [newest] },
    );
  // Without its only record, the provider would take the release for deleted, with all that is in it.
  return mend(
    subject,
    `${found}: a run was cut off`,
    `its record ${newest.name} is marked as failed, and the next up goes on from there`,
    { do: "fail-record", namespace, record: newest, ...(known && { urn: known.urn }) },
  );
}

function judgeUnknown(release: Release, newest: HelmRecord, now: Date): Finding {
  const { namespace, name, records, lost, holdsAddress, takeover } = release;
  const subject = subjectOf(release);
  const found = `${newest.status} in revision ${newest.revision}, and in no state`;
  const isFinished = newest.status === "deployed";
  // One that was whole once is not an install that was cut off.
  const wasFinished = records.some(({ status }) => /^(deployed|superseded)$/.test(status));
  if (!newest.byPulumi)
    return tell(subject, `${found}: not Pulumi's`, `remove it: helm uninstall ${name} --namespace ${namespace}`);
  if (lost === undefined && !isFinished && isFresh(newest, now)) return alive(subject, newest, now);
  if (lost === undefined && wasFinished)
    return tell(subject, `${found}; no run is known to have been cut off in it`, takeover);
  if (lost !== undefined && holdsAddress)
    return mend(
      subject,
      `${found}: a run was cut off; its Service holds the address`,
      `the state takes it over${isFinished ? "" : ", marked as failed"}, and the next up goes on from there`,
      ...(isPending(newest) ? [{ do: "fail-record" as const, namespace, record: newest }] : []),
      // Without its inputs, so that the next up has something to update.
      {
        do: "import",
        adoption: { resource: { ...lost.resource, inputs: {} }, id: `${namespace}/${name}`, outputs: {} },
      },
    );
  return mend(
    subject,
    `${found}: a run was cut off`,
    `${records.length > 1 ? "its records are" : `its record ${newest.name} is`} deleted, so that the next up installs it and takes over what is there`,
    { do: "delete-records", namespace, records },
  );
}

const isFresh = ({ changedAt }: HelmRecord, now: Date) => now.getTime() - changedAt.getTime() < ALIVE_SECONDS * 1000;

function alive(subject: string, { status, revision, changedAt }: HelmRecord, now: Date): Finding {
  const minutes = Math.floor((now.getTime() - changedAt.getTime()) / 60_000);
  return refuse(
    subject,
    `${status} in revision ${revision} for ${minutes} minute(s), and by no run that this state knows of`,
    `somebody may still be at work; run this again ${ALIVE_SECONDS / 60} minutes after it began`,
  );
}

const othersUpgrade = (release: Release, { status, revision }: HelmRecord) =>
  refuse(
    subjectOf(release),
    `${status} in revision ${revision}, by a Helm that is not Pulumi's`,
    `wait for it, or helm rollback ${release.name} --namespace ${release.namespace}`,
  );
