import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { parseAllDocuments } from "yaml";
import { charts } from "../../versions.ts";
import { type ApiServer, type Manifest, Refusal } from "./api-server.ts";
import { directoryOf } from "./go-module.ts";

// The custom resource definitions that the charts install, from their makers' Go modules.

/** A definition, as far as it is read here. */
export interface Definition extends Manifest {
  readonly spec: {
    readonly group: string;
    readonly names: { readonly plural: string; readonly [field: string]: unknown };
    readonly versions: readonly {
      readonly name: string;
      readonly served: boolean;
      readonly [field: string]: unknown;
    }[];
    readonly [field: string]: unknown;
  };
}

const modules = {
  certManager: {
    module: "github.com/cert-manager/cert-manager",
    version: charts.certManager.version,
    place: "deploy/crds",
  },
  istio: {
    module: "istio.io/api",
    version: `v${charts.istio.version}`,
    place: "kubernetes",
  },
  externalSecrets: {
    module: "github.com/external-secrets/external-secrets",
    // The last one that is a Go module: 2.x does not end its path in /v2, as Go wants it. Its external-secrets.io/v1 is
    // the one of today; what 2.x added to it is missing.
    version: "v1.3.2",
    place: "config/crds/bases",
  },
  argoCd: { module: "github.com/argoproj/argo-cd/v3", version: "v3.1.0", place: "manifests/crds" },
} as const;

/** Whose definitions there are. */
export type Maker = keyof typeof modules;

/**
 * The definitions of a maker.
 *
 * @throws when Go cannot download the module
 */
export async function definitionsOf(maker: Maker): Promise<Definition[]> {
  const { module, version, place } = modules[maker];
  const directory = join(await directoryOf(module, version), place);
  const files = (await readdir(directory)).filter((file) => /^(?!kustomization).*\.yaml$/.test(file)).sort();
  const sources = await Promise.all(files.map((file) => readFile(join(directory, file), "utf8")));
  return sources
    .flatMap((source) => parseAllDocuments(source).map((document) => document.toJS() as Definition | null))
    .filter((definition) => definition !== null);
}

/** Seconds until a new kind is served. */
const SERVED_SECONDS = 30;

/**
 * Adds kinds to an API server.
 *
 * @param mark changes the definitions before that. @default - as they are
 * @throws when a kind is not served in time
 */
export async function install(
  server: ApiServer,
  definitions: readonly Definition[],
  mark: (definition: Definition) => Definition = (definition) => definition,
): Promise<void> {
  await Promise.all(definitions.map((definition) => server.apply(mark(definition))));
  await Promise.all(definitions.map((definition) => served(server, definition)));
}

/** Returns when a kind is named and can be listed: both come some time after its condition Established, in any order. */
async function served(server: ApiServer, { metadata, spec }: Definition): Promise<void> {
  const { plural } = spec.names;
  const deadline = Date.now() + SERVED_SECONDS * 1000;
  for (const { name } of spec.versions.filter(({ served }) => served))
    while (!(await isServed(server, `/apis/${spec.group}/${name}`, plural))) {
      if (Date.now() > deadline) throw new Error(`${metadata.name} is not served within ${SERVED_SECONDS} s`);
      await pause(50);
    }
}

async function isServed(server: ApiServer, version: string, plural: string): Promise<boolean> {
  try {
    const { resources } = (await server.call("GET", version)) as { resources: { name: string }[] };
    await server.call("GET", `${version}/${plural}?limit=1`);
    return resources.some(({ name }) => name === plural);
  } catch (error) {
    if (error instanceof Refusal && error.code === 404) return false;
    throw error;
  }
}
