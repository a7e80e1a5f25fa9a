import { plain } from "../../project/registration.ts";
import { requestOf } from "../plugin/models.ts";
import type { Request } from "../world/state.ts";

// A recorded program: what waits for what, and what each resource asks of the world.

/** What is read of a recorded resource. */
export interface Recorded {
  readonly urn: string;
  readonly type: string;
  readonly name: string;
  readonly parent: string | undefined;
  readonly custom: boolean;
  readonly dependsOn: readonly string[];
  readonly dataDependsOn: readonly string[];
  readonly inputs: Record<string, unknown>;
  readonly options: {
    readonly retainOnDelete: boolean;
    readonly createSeconds: number | undefined;
    readonly importId: string | undefined;
    readonly errorHooks: readonly string[];
  };
}

/** A declared dependency, `from` waits for `to`. */
export interface Edge {
  readonly from: string;
  readonly to: string;
}

/** A resource with what hangs below it. */
export interface Node extends Recorded {
  readonly children: Node[];
  /** The providers' resources at and below it. */
  readonly made: Node[];
}

/** Resources by URN, linked with their children. */
export type Graph = ReadonlyMap<string, Node>;

export function graphOf(recorded: readonly Recorded[]): Graph {
  const nodes = new Map<string, Node>();
  for (const it of recorded) nodes.set(it.urn, { ...it, inputs: plain(it.inputs), children: [], made: [] });
  for (const node of nodes.values()) {
    nodes.get(node.parent ?? "")?.children.push(node);
    for (let above: Node | undefined = node; above !== undefined && node.custom; above = nodes.get(above.parent ?? ""))
      above.made.push(node);
  }
  return nodes;
}

/** What a resource asks of the world; its name stands for a secret that the cloud makes. */
export const asked = ({ type, inputs, name }: Pick<Recorded, "type" | "inputs" | "name">): Request =>
  requestOf(type, inputs, name, name);

/** Whether the world makes it; providers and components are the engine's alone, and a Service is only read. */
export const isMade = ({ custom, type }: { custom?: boolean | undefined; type: string }) =>
  custom === true && !type.startsWith("pulumi:") && type !== "kubernetes:core/v1:Service";
