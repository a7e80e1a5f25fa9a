import { doorsBy, isCut } from "../../components/doors.ts";
import { type DoorName, nameOf, type ShutOut, shutOutBy } from "../../components/tenants.ts";
import type { Settings } from "../../settings/settings.ts";
import type { Door } from "../../settings/tenancy.ts";
import { problem, unless, type Verdict, warning } from "../lib/checks.ts";
import type { ClusterReader } from "./cluster-reader.ts";

/** What others use the platform for that `tenancy` does not let them: the next preview refuses to cut what is served. */
export async function tenantVerdicts(settings: Settings, cluster: ClusterReader): Promise<readonly Verdict[]> {
  const shutOut = await shutOutBy(settings, cluster);
  const names = [...new Set(shutOut.map(({ door }) => door))];
  const now = new Map(
    await Promise.all(names.map(async (name) => [name, await cluster.door(settings, name)] as const)),
  );
  return unless(
    shutOut.map((it) => verdictOf(it, now, settings)),
    "nothing of others that it shuts out",
  );
}

function verdictOf(it: ShutOut, now: ReadonlyMap<DoorName, Door>, settings: Settings): Verdict {
  const action = "do what it says, or delete it";
  return isCut(it, now.get(it.door) ?? [], doorsBy(settings)[it.door])
    ? problem(`${nameOf(it)} is served until the next up, whose preview refuses to cut it: ${it.why}`, action)
    : warning(`${nameOf(it)} is refused when it changes, or served no more: ${it.why}`, action);
}
