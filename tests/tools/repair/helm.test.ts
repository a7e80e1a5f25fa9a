import { describe, expect, it } from "vitest";
import { judgeRelease, type Release } from "../../../tools/repair/helm.ts";
import type { HelmRecord } from "../../../tools/repair/kubernetes.ts";
import type { StateResource } from "../../../tools/repair/state.ts";

const NOW = new Date("2026-11-27T12:00:00Z");
const minutesAgo = (minutes: number) => new Date(NOW.getTime() - minutes * 60_000);

const record = (revision: number, status: string, changes: Partial<HelmRecord> = {}): HelmRecord => ({
  name: `sh.helm.release.v1.istiod.v${revision}`,
  uid: `uid-${revision}`,
  revision,
  status,
  changedAt: minutesAgo(60),
  byPulumi: true,
  ...changes,
});

const resource: StateResource = {
  urn: "urn:pulumi:prod::oke-platform::kubernetes:helm.sh/v3:Release::istio-istiod",
  type: "kubernetes:helm.sh/v3:Release",
  custom: true,
  inputs: { name: "istiod", namespace: "istio-system" },
};
const lost = { resource, known: undefined };
const known = { ...resource, id: "istio-system/istiod" };

const release = (records: HelmRecord[], changes: Partial<Release> = {}): Release => ({
  namespace: "istio-system",
  name: "istiod",
  records,
  lost: undefined,
  known: undefined,
  isInterrupted: false,
  holdsAddress: false,
  takeover: "take it over",
  ...changes,
});

const judged = (it: Release) => {
  const finding = judgeRelease(it, NOW);
  return finding && [finding.kind, finding.found, finding.steps];
};

describe("a release that the state does not have", () => {
  const deletion = (...records: HelmRecord[]) => ({ do: "delete-records", namespace: "istio-system", records });

  it.each(["pending-install", "failed", "deployed", "uninstalling"])(
    "loses its record where a run was cut off in it, so that its objects are taken over (%s)",
    (status) => {
      const only = record(1, status, { changedAt: minutesAgo(1) });
      expect(judged(release([only], { lost, isInterrupted: true }))).toEqual([
        "mend",
        `${status} in revision 1, and in no state: a run was cut off`,
        [deletion(only)],
      ]);
    },
  );

  it("loses all of its records", () => {
    const all = [record(1, "failed"), record(2, "pending-upgrade")];
    expect(judged(release(all, { lost, isInterrupted: true }))?.[2]).toEqual([deletion(...all)]);
  });

  it.each(["pending-install", "failed"])(
    "loses a record of Pulumi's that nobody can still be at work on (%s)",
    (status) => {
      const old = record(1, status, { changedAt: minutesAgo(20) });
      expect(judged(release([old]))?.[2]).toEqual([deletion(old)]);
      expect(judged(release([record(1, status, { changedAt: minutesAgo(19) })]))).toEqual([
        "refuse",
        `${status} in revision 1 for 19 minute(s), and by no run that this state knows of`,
        [],
      ]);
    },
  );

  it("is left alone where it is whole, or once was, and no run was cut off in it, or is not Pulumi's", () => {
    expect(judged(release([record(1, "deployed")]))?.[0]).toBe("tell");
    for (const before of ["deployed", "superseded"])
      for (const status of ["failed", "pending-upgrade", "uninstalling"])
        expect(judged(release([record(1, before), record(2, status)]))?.[0]).toBe("tell");
    const fresh = record(2, "pending-upgrade", { changedAt: minutesAgo(1) });
    expect(judged(release([record(1, "deployed"), fresh]))?.[0]).toBe("refuse");
    const theirs = record(3, "pending-upgrade", { byPulumi: false });
    for (const create of [undefined, lost])
      expect(judged(release([theirs], { lost: create, isInterrupted: true }))).toEqual([
        "tell",
        "pending-upgrade in revision 3, and in no state: not Pulumi's",
        [],
      ]);
  });

  it("is taken over where its Service holds an adopted address, which a first install looks for", () => {
    const adoption = { resource: { ...resource, inputs: {} }, id: "istio-system/istiod", outputs: {} };
    const pending = record(1, "pending-install");
    const holds = { lost, isInterrupted: true, holdsAddress: true };
    expect(judged(release([pending], holds))?.[2]).toEqual([
      { do: "fail-record", namespace: "istio-system", record: pending },
      { do: "import", adoption },
    ]);
    expect(judged(release([record(1, "deployed")], holds))?.[2]).toEqual([{ do: "import", adoption }]);
  });

  it("is forgotten where there is nothing of it", () => {
    expect(judged(release([], { lost }))).toEqual(["clear", "is not there", []]);
    expect(judged(release([]))).toBe(undefined);
  });
});

describe("a release that the state has", () => {
  const interrupted = { known, isInterrupted: true };

  it.each(["pending-upgrade", "pending-rollback"])("loses its newest record alone (%s)", (status) => {
    const newest = record(3, status);
    expect(judged(release([record(1, "superseded"), record(2, "deployed"), newest], interrupted))).toEqual([
      "mend",
      `${status} in revision 3, and in the state: a run was cut off`,
      [{ do: "delete-records", namespace: "istio-system", records: [newest] }],
    ]);
  });

  it("never loses its only record, which is marked as failed", () => {
    const only = record(1, "pending-install");
    expect(judged(release([only], interrupted))?.[2]).toEqual([
      { do: "fail-record", namespace: "istio-system", record: only, urn: known.urn },
    ]);
  });

  it("is left alone while somebody may be at work", () => {
    const fresh = [record(1, "deployed"), record(2, "pending-upgrade", { changedAt: minutesAgo(3) })];
    expect(judged(release(fresh, { known }))?.[0]).toBe("refuse");
    // This stack's run is no more: its lock is free.
    expect(judged(release(fresh, interrupted))?.[0]).toBe("mend");
    const theirs = [record(1, "deployed"), record(2, "pending-upgrade", { byPulumi: false })];
    expect(judged(release(theirs, { known }))).toEqual([
      "refuse",
      "pending-upgrade in revision 2, by a Helm that is not Pulumi's",
      [],
    ]);
  });

  it("is for another destroy to end where it was being uninstalled", () => {
    expect(judged(release([record(1, "uninstalling")], interrupted))).toEqual([
      "tell",
      "uninstalling in revision 1, and in the state",
      [],
    ]);
  });

  it("is well where it is deployed, or failed and so upgraded by the next up", () => {
    for (const status of ["deployed", "failed"]) {
      expect(judged(release([record(1, status)], { known }))).toBe(undefined);
      expect(judged(release([record(1, status)], { known, lost: { resource, known } }))?.[0]).toBe("clear");
    }
  });
});
