import * as pulumi from "@pulumi/pulumi";
import { runProgram } from "./program.ts";
import { projectDirectory, readStack, type StackConfig } from "./stack.ts";

/** A resource as the program registered it. */
export interface Registration {
  readonly urn: string;
  readonly type: string;
  readonly name: string;
  /** URN of the parent; undefined for the stack itself. */
  readonly parent: string | undefined;
  /** Whether a provider makes it; false for components. */
  readonly custom: boolean;
  /** URNs that `dependsOn` names: the component where a component was given. */
  readonly dependsOn: string[];
  /** URNs of the resources whose outputs flow into the inputs. */
  readonly dataDependsOn: string[];
  /** As they go to the engine: secrets and unknown values still wrapped. */
  readonly inputs: Record<string, unknown>;
  readonly options: {
    readonly retainOnDelete: boolean;
    readonly ignoreChanges: string[];
    /** Id of the object that is taken over instead of being made. */
    readonly importId: string | undefined;
    /** Seconds for a create; undefined for the provider's own default. */
    readonly createSeconds: number | undefined;
    /** Seconds for an update, likewise. */
    readonly updateSeconds: number | undefined;
    /** Names of the hooks that are called before the resource is touched. */
    readonly hooks: string[];
    /** Names of the hooks that are called when it fails. */
    readonly errorHooks: string[];
    /** URN and id of the provider, `urn::id`; empty for the package's default provider. */
    readonly provider: string;
  };
}

/** Each value that only the cloud can say is unknown, as in a preview of an empty world. */
const nothingKnown: pulumi.runtime.Mocks = {
  newResource: async ({ inputs }) => ({ id: undefined, state: inputs }),
  async call({ token }) {
    const answer = unknownAnswers[token];
    if (answer === undefined) throw new Error(`unexpected call of ${token}; the plan knows no answer to it`);
    return answer;
  },
};

const unknown = pulumi.runtime.unknownValue;
const unknownAnswers: Record<string, Record<string, unknown>> = {
  "cloudflare:index/getZones:getZones": { results: unknown },
  "cloudflare:index/getApiTokenPermissionGroupsList:getApiTokenPermissionGroupsList": { results: unknown },
  "oci:ContainerEngine/getClusterKubeConfig:getClusterKubeConfig": { content: unknown },
  "oci:Core/getPublicIp:getPublicIp": { ipAddress: unknown },
  "oci:Kms/getVault:getVault": { cryptoEndpoint: unknown, managementEndpoint: unknown, compartmentId: unknown },
  "vault:generic/getSecret:getSecret": { dataJson: unknown },
};

/**
 * Runs a program without engine, cloud or credentials, and returns what it registered, in the order of registration.
 *
 * All that is read of the SDK's internals is in this file: the mock monitor's requests, which are the engine's own
 * (https://github.com/pulumi/pulumi/blob/v3.259.0/proto/pulumi/resource.proto), and what a stack transformation sees.
 *
 * @param program imports the program afresh; its result becomes the stack's outputs
 * @param cloud what answers for the providers; with {@link nothingKnown} the run is a preview
 * @throws what the program throws
 */
export async function record(
  program: () => Promise<object>,
  stack: string,
  config: StackConfig,
  cloud: pulumi.runtime.Mocks = nothingKnown,
): Promise<Registration[]> {
  await pulumi.runtime.setMocks(cloud, "oke-platform", stack, cloud === nothingKnown);
  pulumi.runtime.setAllConfig(config.values, [...config.secrets]);
  const monitor = pulumi.runtime.getMonitor() as unknown as Monitor;
  // The mock monitor knows no hooks; the engine calls them, and nothing of that is recorded.
  for (const register of ["registerResourceHook", "registerErrorHook"] as const)
    monitor[register] = (_request, done) => done(null, {});
  monitor.newUrn = (parent, type, name) => {
    const chain = parent.split("::")[2] ?? "";
    const qualified = parent === "" || chain === STACK ? type : `${chain}$${type}`;
    return `urn:pulumi:${stack}::oke-platform::${qualified}::${name}`;
  };

  const seen: Omit<Registration, "dependsOn">[] = [];
  const declared = new Map<pulumi.Resource, pulumi.CustomResourceOptions>();
  for (const method of ["registerResource", "readResource"] as const) {
    const original = monitor[method].bind(monitor);
    monitor[method] = (request, done) =>
      original(request, (error, response) => {
        if (response !== undefined) seen.push(read(request, response.getUrn()));
        done(error, response);
      });
  }

  let failure: unknown;
  await pulumi.runtime.runInPulumiStack(async () => {
    void pulumi.runtime.registerStackTransformation(({ resource, opts }) => {
      declared.set(resource, opts);
      return undefined;
    });
    try {
      return await program();
    } catch (error) {
      // Thrown on from here, the SDK would also report it as an unhandled rejection.
      failure = error;
      return {};
    }
  });
  // Resolves when every registration has been answered.
  await pulumi.runtime.disconnect();
  if (failure !== undefined) throw failure;

  const edges = new Map<string, { dependsOn: string[]; idFrom: string[] }>();
  for (const [resource, { dependsOn, id }] of declared) {
    const targets = [(await output(dependsOn)) ?? []].flat() as pulumi.Resource[];
    const sources = pulumi.Output.isInstance(id) ? await (id as unknown as Flow).resources() : [];
    edges.set(await output(resource.urn), { dependsOn: await urnsOf(targets), idFrom: await urnsOf(sources) });
  }
  return seen.map((registration) => {
    const { dependsOn = [], idFrom = [] } = edges.get(registration.urn) ?? {};
    return { ...registration, dependsOn, dataDependsOn: [...registration.dataDependsOn, ...idFrom].sort() };
  });
}

/** What a stack is recorded with. */
export interface RecordOptions {
  /** What answers for the providers. @default - nothing is known, as in a preview of an empty world */
  readonly cloud?: pulumi.runtime.Mocks;
  /** Changes the stack's configuration. @default - none */
  readonly configure?: (config: StackConfig) => StackConfig;
  /** Where the program is. @default - the working tree */
  readonly directory?: string;
}

/**
 * Records the program for one of its stacks; only a shipped one may hold placeholders.
 *
 * @param stack its name, with or without organisation and project
 */
export async function recordStack(
  stack: string,
  { cloud = nothingKnown, configure = (config) => config, directory = projectDirectory }: RecordOptions = {},
): Promise<Registration[]> {
  // URNs have the name alone.
  const name = stack.slice(stack.lastIndexOf("/") + 1);
  return record(() => runProgram(directory), name, configure(await readStack(stack, directory)), cloud);
}

const STACK = "pulumi:pulumi:Stack";

/** What an output has beside its types: https://github.com/pulumi/pulumi/blob/v3.259.0/sdk/nodejs/output.ts */
type Flow = { resources(): Promise<Set<pulumi.Resource>> };

const urnsOf = async (resources: Iterable<pulumi.Resource>) =>
  (await Promise.all([...resources].map((resource) => output(resource.urn)))).sort();

/** The value of an output that is known. */
const output = <T>(value: pulumi.Input<T> | undefined): Promise<T> =>
  new Promise((resolve) => {
    pulumi.output(value).apply((known) => resolve(known as T));
  });

function read(request: Request, urn: string): Omit<Registration, "dependsOn"> {
  const inputs = (request.getObject?.() ?? request.getProperties?.())?.toJavaScript() ?? {};
  const timeouts = request.getCustomtimeouts?.();
  const seconds = (timeout = "") => (timeout === "" ? undefined : Number.parseInt(timeout, 10));
  const hooks = request.getHooks?.();
  const flows = [...(request.getPropertydependenciesMap?.().entries() ?? [])].flatMap(([, urns]) => urns.getUrnsList());
  return {
    urn,
    type: request.getType(),
    name: request.getName(),
    parent: request.getParent() || undefined,
    // A resource that is read is a provider's.
    custom: request.getCustom?.() ?? true,
    dataDependsOn: [...new Set(flows)].sort(),
    inputs,
    options: {
      retainOnDelete: request.getRetainondelete?.() ?? false,
      ignoreChanges: request.getIgnorechangesList?.() ?? [],
      importId: request.getImportid?.() || undefined,
      createSeconds: seconds(timeouts?.getCreate()),
      updateSeconds: seconds(timeouts?.getUpdate()),
      hooks: [...(hooks?.getBeforeCreateList() ?? []), ...(hooks?.getBeforeUpdateList() ?? [])],
      errorHooks: hooks?.getOnErrorList() ?? [],
      provider: request.getProvider(),
    },
  };
}

type Done = (error: Error | null, response: { getUrn(): string } | undefined) => void;

interface Monitor {
  newUrn(parent: string, type: string, name: string): string;
  registerResourceHook(request: unknown, done: (error: null, response: object) => void): void;
  registerErrorHook(request: unknown, done: (error: null, response: object) => void): void;
  registerResource(request: Request, done: Done): unknown;
  readResource(request: Request, done: Done): unknown;
}

/** RegisterResourceRequest, or ReadResourceRequest where a method is optional. */
interface Request {
  getType(): string;
  getName(): string;
  getParent(): string;
  getProvider(): string;
  getCustom?(): boolean;
  getObject?(): { toJavaScript(): Record<string, unknown> } | undefined;
  getProperties?(): { toJavaScript(): Record<string, unknown> } | undefined;
  getPropertydependenciesMap?(): { entries(): Iterable<[string, { getUrnsList(): string[] }]> };
  getRetainondelete?(): boolean;
  getIgnorechangesList?(): string[];
  getImportid?(): string;
  getCustomtimeouts?(): { getCreate(): string; getUpdate(): string } | undefined;
  getHooks?():
    | { getBeforeCreateList(): string[]; getBeforeUpdateList(): string[]; getOnErrorList(): string[] }
    | undefined;
}
