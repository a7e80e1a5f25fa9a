import { spawnSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isProviders, same } from "../project/registration.ts";
import { projectDirectory, readStack, type StackConfig } from "../project/stack.ts";
import { deadlineOf, requestOf } from "../sandbox/plugin/models.ts";
import { collectSteps, openSandbox, type Step } from "../sandbox/sandbox.ts";
import type { Graph } from "../sandbox/schedule/graph.ts";
import { replayUp } from "../sandbox/schedule/up.ts";
import { emptyWorld } from "../sandbox/world/beginnings.ts";
import { keyOf, Refusal, type State } from "../sandbox/world/state.ts";
import { openWorld, usualLatencies } from "../sandbox/world/systems.ts";
import type { Latencies } from "../sandbox/world/world.ts";
import { main, type Terminal, toolCommand } from "../tools/lib/command.ts";
import { declaredEdges, graphOfStack, meritOf } from "./edges.ts";
import { programs } from "./timed-programs.ts";

/** A measured ratio or count, and the most that it may be. */
interface Figure {
  readonly name: string;
  readonly value: number;
  readonly goal: number;
}

/**
 * Seconds of the article's order, a wave starting when everything in the one before is ready. ArgoCD's pauses between
 * waves are left out.
 */
export function waveSeconds(latencies: Latencies): number {
  const of = (what: string) => latencies[what] ?? Number.NaN;
  return (
    Math.max(of("cert-manager"), of("reflector")) +
    Math.max(of("base") + of("istiod"), of("external-secrets") + of("ClusterSecretStore")) +
    of("LoadBalancer") +
    Math.max(of("ExternalSecret"), of("ClusterIssuer")) +
    2 * of("challenge") +
    of("reflection") +
    Math.max(of("Gateway"), of("VirtualService"))
  );
}

/**
 * The least seconds that the world's rules allow for bringing a recorded program's resources up, whatever the program
 * says of their order: each begins at the first moment at which the world takes it and it gets ready without a detour.
 * Only values are waited for, because an address cannot be written before there is one.
 */
export function leastSeconds(graph: Graph, state: State, latencies: Latencies): number {
  const usual = durations(graph, structuredClone(state), latencies);
  const world = openWorld(structuredClone(state), latencies);
  const start = world.now;
  const made = [...graph.values()].filter(({ urn }) => usual.has(urn));
  const waiting = new Set(made);
  const running = new Map<string, string>();
  const done = new Set<string>();
  const mayBegin = ({ urn, type, name, inputs, dataDependsOn, options }: (typeof made)[number]) => {
    if (!dataDependsOn.every((source) => done.has(source) || !usual.has(source))) return false;
    const trial = openWorld(structuredClone(world.state), latencies);
    try {
      const key = keyOf(trial.create(requestOf(type, inputs, name, name)));
      const least = usual.get(urn) ?? 0;
      const deadline = trial.now + Math.min(least + 0.001, deadlineOf(type, inputs, options.createSeconds));
      trial.advance(deadline);
      return trial.item(key)?.ready === true && trial.state.violations.length === world.state.violations.length;
    } catch (error) {
      if (error instanceof Refusal) return false;
      throw error;
    }
  };
  while (waiting.size > 0 || running.size > 0) {
    for (const [urn, key] of running) {
      if (!world.item(key)?.ready) continue;
      running.delete(urn);
      done.add(urn);
    }
    for (const node of waiting) {
      if (!mayBegin(node)) continue;
      waiting.delete(node);
      running.set(node.urn, keyOf(world.create(requestOf(node.type, node.inputs, node.name, node.name))));
    }
    if (running.size === 0 && waiting.size === 0) break;
    if (world.nextEvent === undefined) throw new Error(`the world never takes ${[...waiting].map(({ name }) => name)}`);
    world.advance(world.nextEvent);
  }
  return world.now - start;
}

/** What each resource takes when all it needs is there. */
function durations(graph: Graph, state: State, latencies: Latencies): Map<string, number> {
  const begun = new Map<string, number>();
  const taken = new Map<string, number>();
  const byName = new Map([...graph.values()].filter(({ custom }) => custom).map(({ urn, name }) => [name, urn]));
  for (const { at, what, name } of replayUp(graph, { state, latencies }).happenings) {
    const urn = byName.get(name) ?? name;
    if (what === "begins") begun.set(urn, at);
    else taken.set(urn, at - (begun.get(urn) ?? 0));
  }
  return taken;
}

const median = (values: number[]) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

/** Real seconds for each second of the world: enough for the engine's own work to be a small part. */
const SCALE = 0.3;

const withoutWait = (config: StackConfig): StackConfig => {
  const key = "oke-platform:acme";
  const { propagationSeconds: _, ...acme } = JSON.parse(config.values[key] ?? "{}");
  return { ...config, values: { ...config.values, [key]: JSON.stringify(acme) } };
};

/** Seconds of the world from the first create to the last, and what a second and a refreshed `up` change. */
async function engineRun(
  configure: (config: StackConfig) => StackConfig,
): Promise<{ seconds: number; changes: number }> {
  const directory = await mkdtemp(join(tmpdir(), "oke-bench-"));
  try {
    const { stack } = await openSandbox({ directory, stack: "prod", scale: SCALE, configure });
    const steps = new Map<string, Step>();
    await stack.up({ onEvent: collectSteps(steps) });
    const created = [...steps.values()].filter(({ op, type }) => op === "create" && isProviders(type));
    const first = Math.min(...created.map(({ startedAt }) => startedAt));
    const last = Math.max(...created.map(({ endedAt = 0 }) => endedAt));
    const again = [await stack.up(), await stack.up({ refresh: true })];
    const changes = again.flatMap(({ summary }) => Object.entries(summary.resourceChanges ?? {}));
    const counted = changes
      .filter(([op]) => !["same", "read"].includes(op))
      .reduce((sum, [, count]) => sum + (count ?? 0), 0);
    return { seconds: (last - first) / 1000 / SCALE, changes: counted };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

type Program = keyof typeof programs;

/** Runs a program as a process of its own: wall seconds, peak MiB, and what it printed. */
function timeProgram(directory: string, program: Program, env: Record<string, string> = {}) {
  const start = performance.now();
  const args = ["--import", join(directory, "report.mjs"), join(directory, `${program}.ts`)];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, {
    encoding: "utf8",
    env: { ...process.env, ...env },
  });
  if (status !== 0) throw new Error(`the timed program "${program}" failed:\n${stderr}`);
  const seconds = (performance.now() - start) / 1000;
  return { seconds, peakMiB: Number(/peak (\d+)/.exec(stderr)?.[1]) / 1024, printed: Number.parseFloat(stdout) };
}

/** Ratios of two programs, run in turn so that a slower moment of the machine meets both. */
function ratios(runs: number, measure: () => [number, number]): number {
  measure();
  return median(
    Array.from({ length: runs }, () => {
      const [a, b] = measure();
      return a / b;
    }),
  );
}

async function processFigures(): Promise<Figure[]> {
  // Inside the project, so that packages are found from there.
  const directory = await mkdtemp(join(projectDirectory, ".sandbox-bench-"));
  try {
    for (const [name, source] of Object.entries(programs)) await writeFile(join(directory, `${name}.ts`), source);
    // The peak in KiB, as the process itself sees it at its end.
    await writeFile(
      join(directory, "report.mjs"),
      'process.on("exit", () => console.error("peak", process.resourceUsage().maxRSS));',
    );
    const env = { BENCH_CONFIG: JSON.stringify((await readStack("prod")).values) };
    const run = (program: Program, variables: Record<string, string> = env) =>
      timeProgram(directory, program, variables);
    const more = (program: Program) =>
      run(program, { BENCH_COUNT: "1500" }).printed - run(program, { BENCH_COUNT: "500" }).printed;
    return [
      {
        name: "import of the program ÷ import of @pulumi/pulumi, time",
        value: ratios(11, () => [run("imports").seconds, run("sdk").seconds]),
        goal: 1.2,
      },
      {
        name: "the same with every registration, time",
        value: ratios(11, () => [run("everything").seconds, run("sdk").seconds]),
        goal: 1.8,
      },
      {
        name: "the same with every registration, peak memory",
        value: ratios(5, () => [run("everything").peakMiB, run("sdk").peakMiB]),
        goal: 1.3,
      },
      {
        name: "one more service at 1,000 ÷ a bare CustomResource, time",
        value: ratios(3, () => [more("services"), more("bare")]),
        goal: 1.5,
      },
    ];
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** How many resources one service more changes, or adds, when there are so many. */
async function servicesChanged(count: number): Promise<number> {
  const withServices = async (length: number) => {
    const services = Array.from({ length }, (_, at) => ({ name: `service-${at}`, namespace: "default", port: 8080 }));
    return graphOfStack("prod", ({ values, secrets }) => ({
      values: { ...values, "oke-platform:services": JSON.stringify(services) },
      secrets,
    }));
  };
  const [before, after] = [await withServices(count), await withServices(count + 1)];
  return [...after.values()].filter(({ urn, inputs }) => !same(inputs, before.get(urn)?.inputs)).length;
}

/** Measures all figures, prints them and writes them down; whether every goal is met. */
async function measure(out: string): Promise<boolean> {
  const graph = await graphOfStack("prod");
  const unset = await graphOfStack("prod", withoutWait);
  const waves = waveSeconds(usualLatencies);
  const least = leastSeconds(unset, emptyWorld(), usualLatencies);
  console.log(
    `The article's waves: ${waves} s (${waves + 8} s with ArgoCD's pauses). The world's rules: ${least.toFixed(1)} s.`,
  );

  const [selfCheck, setWait] = [await engineRun(withoutWait), await engineRun((config) => config)];
  const edges = declaredEdges(graph);
  const useless = edges.filter((edge) => meritOf(graph, edge, 100) === undefined);
  const figures: Figure[] = [
    { name: "up ÷ the least time of the world's rules", value: selfCheck.seconds / least, goal: 1.05 },
    { name: "up ÷ the article's waves", value: selfCheck.seconds / waves, goal: 0.61 },
    { name: "up with prod's own wait ÷ the article's waves", value: setWait.seconds / waves, goal: 0.45 },
    ...(await processFigures()),
    {
      name: "resources changed by one more service at 1,000, beyond one",
      value: (await servicesChanged(1000)) - 1,
      goal: 0,
    },
    {
      name: "resources changed by a second up and one with refresh",
      value: selfCheck.changes + setWait.changes,
      goal: 0,
    },
    { name: `edges of ${edges.length} that earn nothing`, value: useless.length, goal: 0 },
  ];
  for (const { name, value, goal } of figures) {
    console.log(`${value <= goal ? "met   " : "MISSED"} ${value.toFixed(3).padStart(8)} (goal ≤ ${goal})  ${name}`);
  }
  await writeFile(out, `${JSON.stringify({ waves, least, figures }, null, 2)}\n`);
  console.log(`Written to ${out}`);
  return figures.every(({ value, goal }) => value <= goal);
}

/** `npm run bench`. */
const benchCommand = (terminal: Terminal) =>
  toolCommand("bench", "Measures the figures that the design promises, as ratios in one run.", terminal)
    .option("--out <file>", "where they are written", join(projectDirectory, ".sandbox", "bench.json"))
    .action(async ({ out }: { out: string }) => {
      if (!(await measure(out))) terminal.exitCode = 1;
    });

await main(import.meta, benchCommand);
