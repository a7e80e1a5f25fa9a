import { join } from "node:path";
import type { EngineEvent } from "@pulumi/pulumi/automation/index.js";
import { Argument } from "commander";
import { isProviders, lastName } from "../project/registration.ts";
import { projectDirectory } from "../project/stack.ts";
import { collectSteps, forgetInitialised, openSandbox, type Step } from "../sandbox/sandbox.ts";
import { leftovers, remains } from "../sandbox/world/leftovers.ts";
import { problemsOf } from "../sandbox/world/served.ts";
import { openWorld } from "../sandbox/world/systems.ts";
import type { World } from "../sandbox/world/world.ts";
import { main, type Terminal, toolCommand } from "../tools/lib/command.ts";
import { initialise } from "./bootstrap.ts";

const VERBS = ["up", "preview", "destroy", "vault:init"] as const;

/** `npm run sandbox`. */
const sandboxCommand = (terminal: Terminal) =>
  toolCommand("sandbox", "The program on the real engine, with simulated clouds.", terminal)
    .addArgument(new Argument("<verb>", "what to do").choices(VERBS))
    .option("--stack <name>", "whose configuration to use, Pulumi.<name>.yaml", "prod")
    .option("--scale <seconds>", "real seconds for each second of the simulated clouds", "0.05")
    .action(async (verb: (typeof VERBS)[number], { stack, scale }: { stack: string; scale: string }) => {
      const seconds = Number(scale);
      if (!(seconds > 0 && seconds <= 1)) throw new Error(`--scale is "${scale}"; allowed: more than 0, and 1 at most`);
      await drive(verb, stack, seconds);
    });

/** Does one operation, tells it step by step, and looks whether all is served, or gone, afterwards. */
async function drive(command: (typeof VERBS)[number], stack: string, scale: number): Promise<void> {
  console.log(
    `The ${stack} program on the real Pulumi engine, against simulated clouds (1 s there is ${scale} s here)`,
  );
  const directory = join(projectDirectory, ".sandbox", stack);
  const sandbox = await openSandbox({ directory, stack, scale });
  if (command === "vault:init") {
    await initialise(sandbox, stack, directory, (line) => console.log(`  ${line}`));
    console.log(`In the sandbox, that is: npm run sandbox -- up --stack ${stack}`);
    return;
  }
  const steps = new Map<string, Step>();
  const took = ({ startedAt, endedAt = startedAt }: Step) => `${((endedAt - startedAt) / 1000 / scale).toFixed(0)} s`;
  const collect = collectSteps(steps, (step) => {
    if (changes(step)) console.log(`  ${step.op} ${lastName(step.urn)} (${took(step)})`);
  });
  const onEvent = (event: EngineEvent) => {
    collect(event);
    const { severity = "", message = "" } = event.diagnosticEvent ?? {};
    if (["warning", "error"].includes(severity))
      console.error(`${severity}: ${message.replace(/<\{%[^%]*%\}>/g, "").trim()}`);
  };
  if (command === "preview") {
    const { changeSummary } = await sandbox.stack.preview({ onEvent });
    console.log(`Would change: ${summary(changeSummary)}`);
    return;
  }
  if (command === "destroy") {
    const { summary: result } = await sandbox.stack.destroy({ onEvent });
    console.log(`Done: ${summary(result.resourceChanges)}`);
    const world = openWorld(await sandbox.cloud.look());
    const left = remains(world.state).map((key) => `  ${key}`);
    console.log(`Left, to be used again:\n${left.join("\n")}`);
    console.log("A next up makes another IP unless loadBalancer.reservedIp names this one.");
    if (world.items("Key").length > 0)
      console.log("Nor does it read the volumes unless vault.kmsKeyId names their key.");
    const strays = leftovers(world.state);
    if (strays.length > 0) throw new Error(`left behind, though nothing keeps it:\n${strays.join("\n")}`);
    await forgetInitialised(directory);
    return;
  }
  const { summary: result, outputs } = await sandbox.stack.up({ onEvent });
  print(steps, took);
  console.log(`Done: ${summary(result.resourceChanges)}`);
  if (outputs.phase?.value === "bootstrap") {
    console.log(`Phase 1 of 2 is over. Next: npm run sandbox -- vault:init --stack ${stack}, then up again`);
    return;
  }
  // The last copy of a new certificate comes a second after the Gateway.
  const { result: problems } = await sandbox.cloud.visit((world) => {
    world.advance(world.now + world.seconds("reflection"));
    return problemsOfAll(world, outputs.urls?.value ?? []);
  });
  for (const url of (outputs.urls?.value ?? []) as string[])
    console.log(`Served: ${url} at ${outputs.loadBalancerAddress?.value ?? "the gateway"}`);
  if (problems.length > 0) throw new Error(`not served:\n${problems.join("\n")}`);
}

function problemsOfAll(world: World, urls: string[]): string[] {
  return [...world.state.violations, ...urls.flatMap((url) => problemsOf(world, new URL(url).hostname))];
}

const summary = (changes: object | undefined) =>
  Object.entries(changes ?? {})
    .map(([op, count]) => `${count} ${op}`)
    .join(", ");

/** Whether a step does something to a resource of a provider. */
const changes = ({ op, type }: Step) => !["same", "read"].includes(op) && isProviders(type);

/** What is up, as a tree. */
function print(steps: Map<string, Step>, took: (step: Step) => string): void {
  const below = (parent: string, indent: string) => {
    for (const step of steps.values()) {
      if (step.parent !== parent || step.type.startsWith("pulumi:providers:")) continue;
      const kind = step.type.split(":").at(-1);
      console.log(`${indent}${lastName(step.urn)} (${kind})${changes(step) ? ` ${step.op}, ${took(step)}` : ""}`);
      below(step.urn, `${indent}  `);
    }
  };
  below("", "");
}

await main(import.meta, sandboxCommand);
