import { doorsBy, isCut } from "../../components/doors.ts";
import { nameOf, shutOutBy } from "../../components/tenants.ts";
import type { Settings } from "../../settings/settings.ts";
import { problem, unless, type Verdict, warning } from "../lib/checks.ts";
import type { ClusterReader } from "./cluster-reader.ts";

/** What others use the platform for that `tenancy` does not let them: the next preview refuses to cut what is served. */
export async function tenantVerdicts(settings: Settings, cluster: ClusterReader): Promise<readonly Verdict[]> {
  const [shutOut, now] = await Promise.all([shutOutBy(settings, cluster), cluster.doors(settings)]);
  const then = doorsBy(settings);
  const faults = shutOut.map((it) =>
    isCut(it, now[it.door] ?? [], then[it.door])
      ? problem(`${nameOf(it)} is served until the next up, whose preview refuses to cut it: ${it.why}`, ACTION)
      : warning(`${nameOf(it)} is refused when it changes, or served no more: ${it.why}`, ACTION),
  );
  return unless(faults, "nothing of others that it shuts out");
}

const ACTION = "do what it says, or delete it";
