import type { KubeConfig } from "@kubernetes/client-node";
import { dump } from "js-yaml";
import { recordStack } from "../../project/record.ts";
import { projectDirectory, readStack } from "../../project/stack.ts";
import type { StackConfig } from "../../settings/config.ts";
import type { Env } from "../doctor/examination.ts";
import type { AskOci } from "../doctor/oci-cli.ts";
import { linesOf } from "../lib/checks.ts";
import { type MakeCommand, main, printer, stackOption, toolCommand, yesOption } from "../lib/command.ts";
import { type PulumiCli, pulumiCli } from "../lib/pulumi.ts";
import { operator } from "../lib/question.ts";
import { CALL_MS, repair, systemsOf } from "../repair/repair.ts";
import { exportState } from "../repair/state.ts";
import { clusterSettingsOf, kubeConfigOf, settingsOf } from "../stack.ts";
import { type VisitFlags, verify, visitOf, visitOptions } from "../verify/verify.ts";
import { isPreparing } from "./actions.ts";
import type { ReservedIpAt } from "./balancer.ts";
import type { AdoptCluster } from "./cluster.ts";
import { find, withOurs } from "./find.ts";
import { adoptClusterOf } from "./live.ts";
import { type Plan, type Row, row } from "./plan.ts";
import { planOf } from "./planning.ts";
import { recordsToImport } from "./records.ts";
import { type RecordProgram, reproduce } from "./settings.ts";
import { takeOver, undo } from "./takeover.ts";

// Takes over the platform that ArgoCD or Helm has installed, while it serves.

const SUMMARY = `Takes over the platform that ArgoCD or Helm has installed in the cluster, while it serves: finds it, writes the
settings that reproduce it, says what it will do, asks, and does it. Cut off anywhere, it goes on when it is run again; until
up begins, --undo gives everything back.`;

/** What a plan is made with. */
export interface Looking {
  readonly stack: string;
  /** What the stack's file says. */
  readonly config: StackConfig;
  readonly record: RecordProgram;
  readonly cluster: AdoptCluster;
  readonly pulumi: PulumiCli;
  readonly cloudflare: Parameters<typeof recordsToImport>[3];
  readonly reservedIpAt: ReservedIpAt;
  /** Fields that go because the operator has asked for it. */
  readonly removed: readonly string[];
}

const NOTHING = row(
  "refuse",
  "the cluster",
  "has no chart of the platform's that ArgoCD or Helm has installed",
  "pulumi up installs the platform",
);

/** Looks at what is there, and changes nothing. */
export async function look(looking: Looking): Promise<Plan> {
  const { stack, config, record, cluster, pulumi, cloudflare, reservedIpAt, removed } = looking;
  const state = await exportState(pulumi, stack);
  const found = await find(cluster);
  if (found.installations.length === 0) return { rows: [NOTHING], actions: [] };
  const reproduction = await reproduce(found, config, record, reservedIpAt);
  const { settings, registrations } = reproduction;
  const { records, rows } = await recordsToImport(registrations, settings.domain, state, cloudflare);
  const all = await withOurs(cluster, found, registrations);
  return planOf({
    found: all,
    reproduction: { ...reproduction, rows: [...reproduction.rows, ...rows] },
    records,
    removed,
  });
}

const LABELS: Readonly<Record<Row["kind"], string>> = {
  take: "take",
  roll: "roll",
  change: "change",
  keep: "keep",
  remove: "remove",
  stays: "stays",
  see: "see",
  refuse: "REFUSED",
};

const ORDER = Object.keys(LABELS);

/** The plan for people: what happens, by its kind, and the settings that are written. */
export function planText({ rows, actions }: Plan): string {
  const sorted = [...rows].sort((a, b) => ORDER.indexOf(a.kind) - ORDER.indexOf(b.kind));
  const lines = linesOf(
    sorted.map(({ kind, subject, text, action }) => ({
      ...{ label: LABELS[kind], title: subject, reason: text },
      ...(action !== undefined && { action }),
    })),
  );
  const written = actions.find((action) => action.do === "write-settings");
  return [
    ...lines,
    ...(written ? ["", "The stack's file will say:", dump(written.values, { lineWidth: 120 })] : []),
  ].join("\n");
}

interface Flags extends VisitFlags {
  readonly stack: string;
  readonly json?: true;
  readonly yes?: true;
  readonly undo?: true;
  readonly remove?: readonly string[];
}

/**
 * `npm run adopt`
 *
 * @param directory where `Pulumi.<stack>.yaml` is
 */
export const adoptCommand =
  (directory = projectDirectory, env: Env = process.env): MakeCommand =>
  (terminal) => {
    const command = toolCommand("adopt", SUMMARY, terminal)
      .addOption(stackOption())
      .option("--undo", "gives everything back that a takeover has changed before its up began")
      .option("--remove <field...>", "takes a field away that only a live object has, as the plan names it")
      .option("--json", "prints the plan as JSON, and changes nothing without --yes")
      .addOption(yesOption());
    for (const option of visitOptions()) command.addOption(option);
    return command.action(async ({ stack, json, yes, undo: back, remove = [], ...flags }: Flags) => {
      const print = printer(terminal);
      const approve = json && !yes ? undefined : operator(terminal, yes);
      const visit = await visitOf(flags);
      const pulumi = pulumiCli(directory);
      const kubeConfig = await kubeConfigOf(await clusterSettingsOf(stack, directory));
      const cluster = adoptClusterOf(kubeConfig, CALL_MS);
      const { cloudflare, oci } = systemsOf(async () => kubeConfig, undefined, env);
      const work = {
        ...{ stack, cluster, pulumi },
        plan: async () =>
          look({
            ...{ stack, cluster, pulumi, removed: remove },
            config: await readStack(stack, directory),
            record: (config) => recordStack(stack, { directory, configure: () => config }),
            cloudflare,
            reservedIpAt: reservedIpBy(oci),
          }),
        repair: () => repairFirst({ stack, directory, env, pulumi, kubeConfig }),
        // With the settings that the takeover has written.
        verify: async () => verify({ settings: await settingsOf(stack, directory), kubeConfig, ...visit }),
        pause: () => new Promise<void>((resolve) => setTimeout(resolve, 1000)),
        ...(approve && { approve }),
        say: (plan: Plan) => print(json ? asJson(plan) : planText(plan)),
        log: json ? () => {} : print,
      };
      if (!(await (back ? undo(work) : takeOver(work)))) terminal.exitCode = 1;
    });
  };

/** For machines: what is said, and which actions come, those of objects counted. */
const asJson = ({ rows, actions }: Plan): string =>
  JSON.stringify({ rows, actions: actions.map((action) => ({ do: action.do, undone: isPreparing(action) })) }, null, 2);

const reservedIpBy =
  (oci: AskOci): ReservedIpAt =>
  async (address) => {
    const { id, lifetime } = await oci<"publicIp">("network", "public-ip", "get", "--public-ip-address", address);
    return lifetime === "RESERVED" ? id : undefined;
  };

interface Repairing {
  readonly stack: string;
  readonly directory: string;
  readonly env: Env;
  readonly pulumi: PulumiCli;
  readonly kubeConfig: KubeConfig;
}

/** Puts right what an `up` of the takeover has left; what is others' is what the next one takes over. */
async function repairFirst({ stack, directory, env, pulumi, kubeConfig }: Repairing): Promise<void> {
  const settings = await settingsOf(stack, directory);
  let refused: string[] = [];
  await repair({
    ...{ stack, settings, pulumi },
    registrations: await recordStack(stack, { directory }),
    systems: systemsOf(async () => kubeConfig, settings.vault, env),
    approve: async () => true,
    say: (findings) => {
      refused = findings.filter(({ kind }) => kind === "refuse").map(({ subject, found }) => `${subject} ${found}`);
    },
    log: () => {},
  });
  if (refused.length > 0)
    throw new Error(`nothing is changed: ${refused.join("; ")}; see npm run repair -- --stack ${stack}`);
}

await main(import.meta, adoptCommand());
