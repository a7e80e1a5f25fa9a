import { writeFile } from "node:fs/promises";
import { runProgram } from "../../../project/program.ts";
import { type Registration, record } from "../../../project/record.ts";
import type { StackConfig } from "../../../settings/config.ts";
import { type Looking, look } from "../../../tools/adopt/adopt.ts";
import type { AdoptCluster } from "../../../tools/adopt/cluster.ts";
import type { Plan } from "../../../tools/adopt/plan.ts";
import type { AskCloudflare } from "../../../tools/lib/cloudflare-api.ts";
import type { PulumiCli } from "../../../tools/lib/pulumi.ts";

/** What an operator writes into the file of a stack that takes over: what nobody can find. */
const given = {
  domain: "example.com",
  cluster: { id: "ocid1.cluster.oc1.eu-frankfurt-1.aaaaexample" },
  loadBalancer: { compartmentId: "ocid1.compartment.oc1..aaaaexample" },
  vault: { address: "http://127.0.0.1:8200" },
};

const configOf = (values: Readonly<Record<string, unknown>>): StackConfig => ({
  values: Object.fromEntries(
    Object.entries(values).map(([key, value]) => [
      `oke-platform:${key}`,
      typeof value === "string" ? value : JSON.stringify(value),
    ]),
  ),
  secrets: [],
});

/** A CLI whose stack has no state. */
const stateless: PulumiCli = {
  async read(args) {
    if (args[1] === "export") await writeFile(args[3] ?? "", JSON.stringify({ version: 3, deployment: {} }));
    return { code: 0, stdout: "", stderr: "" };
  },
  show: () => Promise.reject(new Error("nothing is shown")),
};

/** A zone with these records. */
export const zoneWith = (...records: readonly Record<string, string>[]): AskCloudflare =>
  (async (path: string) => {
    const { pathname, searchParams } = new URL(path, "http://cloudflare");
    if (pathname === "/zones") return { result: [{ id: "zone1", status: "active" }] };
    return { result: records.filter(({ name }) => name === searchParams.get("name.exact")) };
  }) as AskCloudflare;

/** A recording takes half a second, and most of these plans are of the same stack. */
const recordings = new Map<string, Promise<Registration[]>>();

function recorded(config: StackConfig): Promise<Registration[]> {
  const key = JSON.stringify(config.values);
  const known = recordings.get(key);
  if (known !== undefined) return known;
  const recording = record(() => runProgram(), "live", config);
  recordings.set(key, recording);
  return recording;
}

/** The plan of a takeover. */
export const planned = (
  cluster: AdoptCluster,
  changes: Partial<Looking> & { readonly said?: Readonly<Record<string, unknown>> } = {},
): Promise<Plan> =>
  look({
    stack: "live",
    config: configOf({ ...given, ...changes.said }),
    record: recorded,
    cluster,
    pulumi: stateless,
    cloudflare: () => zoneWith(),
    reservedIpAt: async () => undefined,
    removed: [],
    ...changes,
  });
