import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { Ajv, type ValidateFunction } from "ajv";
import { parse } from "yaml";
import { directoryOf } from "./go-module.ts";

// The charts' own schemas of their values, with which Helm refuses what does not fit before it touches the cluster.

/** Charts whose makers' Go modules hold them, and where. */
const modules: Readonly<Record<string, { module: string; place: string; versionOf: (chart: string) => string }>> = {
  "cert-manager": {
    module: "github.com/cert-manager/cert-manager",
    place: "deploy/charts/cert-manager",
    versionOf: (chart) => chart,
  },
  vault: { module: "github.com/hashicorp/vault-helm", place: ".", versionOf: (chart) => `v${chart}` },
};

/** Where a run may find the charts that are in no module: a directory or an HTTP repository. */
const mirror = process.env.E2E_CHARTS_MIRROR;

/**
 * What checks the values of a chart; undefined where the chart has no schema, or is in no place that is known here.
 *
 * @throws when what should be there cannot be had
 */
export async function schemaOf(chart: string, version: string): Promise<ValidateFunction | undefined> {
  const source = Object.hasOwn(modules, chart) ? await inModule(chart, version) : await inMirror(chart, version);
  if (source === undefined) return undefined;
  // They are of draft 7, which Vault's calls by an address that is not its name.
  const { $schema: _, ...schema } = JSON.parse(source) as Record<string, unknown>;
  return new Ajv({ strict: false, allErrors: true }).compile(schema);
}

const inModule = async (chart: string, version: string): Promise<string> =>
  readFile(join(await chartDirectory(chart, version), "values.schema.json"), "utf8");

/**
 * Where a chart is whose maker's Go module holds it.
 *
 * @throws when there is no such module, or Go cannot download it
 */
export async function chartDirectory(chart: string, version: string): Promise<string> {
  const found = modules[chart];
  if (found === undefined) throw new Error(`no Go module holds the chart ${chart}`);
  return join(await directoryOf(found.module, found.versionOf(version)), found.place);
}

async function inMirror(chart: string, version: string): Promise<string | undefined> {
  if (mirror === undefined || mirror.startsWith("oci:")) return undefined;
  if (!/^https?:/.test(mirror)) return inArchive(join(mirror, `${chart}-${version}.tgz`), chart);
  const base = mirror.endsWith("/") ? mirror : `${mirror}/`;
  const { entries } = parse(await (await fetch(new URL("index.yaml", base))).text()) as {
    entries: Record<string, { version: string; urls: string[] }[]>;
  };
  const [url] = entries[chart]?.find((entry) => entry.version === version)?.urls ?? [];
  if (url === undefined) return undefined;
  const directory = await mkdtemp(join(tmpdir(), "oke-platform-chart-"));
  try {
    const file = join(directory, "chart.tgz");
    await writeFile(file, Buffer.from(await (await fetch(new URL(url, base))).arrayBuffer()));
    return await inArchive(file, chart);
  } finally {
    await rm(directory, { recursive: true });
  }
}

/** A chart's schema; undefined where the archive has none, or is not there. */
const inArchive = (file: string, chart: string): Promise<string | undefined> =>
  promisify(execFile)("tar", ["-xzOf", file, `${chart}/values.schema.json`], { maxBuffer: 1 << 26 }).then(
    ({ stdout }) => stdout,
    () => undefined,
  );
