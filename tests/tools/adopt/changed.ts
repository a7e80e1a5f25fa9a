import { expect } from "vitest";
import type { Action } from "../../../tools/adopt/actions.ts";
import type { LiveObject } from "../../../tools/adopt/cluster.ts";
import type { Plan, Row } from "../../../tools/adopt/plan.ts";
import { articleCluster } from "./article.ts";
import { planned } from "./looking.ts";
import { memoryCluster } from "./memory-cluster.ts";

// Plans for the article's cluster, and for others that differ from it in one thing.

export type Patch = (object: LiveObject) => LiveObject;

/** The article's cluster, with one object as somebody else has it. */
export function articleBut(kind: string, name: string, change: Patch, ...more: LiveObject[]): LiveObject[] {
  const all = articleCluster();
  expect(all.filter((it) => it.kind === kind && it.metadata?.name === name)).toHaveLength(1);
  return [...all.map((it) => (it.kind === kind && it.metadata?.name === name ? change(it) : it)), ...more];
}

export const withSpec =
  (change: Record<string, unknown>): Patch =>
  (object) => ({
    ...object,
    spec: { ...(object.spec as object), ...change },
  });

export const plan = (objects: LiveObject[], ...more: Parameters<typeof planned>[1][]): Promise<Plan> =>
  planned(memoryCluster(objects), ...more);

export const linesOf = ({ rows }: Plan, kind: Row["kind"]) =>
  rows.filter((row) => row.kind === kind).map(({ subject, text }) => `${subject}: ${text}`);

export const settingsIn = ({ actions }: Plan) => actions.find((it) => it.do === "write-settings")?.values ?? {};

export const orderOf = (actions: readonly Action[]) => [...new Set(actions.map((action) => action.do))];
