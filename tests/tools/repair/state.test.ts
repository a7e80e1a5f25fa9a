import { spawnSync } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { describe, expect, it } from "vitest";
import type { PulumiCli } from "../../../tools/lib/pulumi.ts";
import {
  edited,
  exportState,
  importState,
  lostCreates,
  refuseOtherRuns,
  type State,
  type StateResource,
} from "../../../tools/repair/state.ts";

const resource = (name: string, changes: Partial<StateResource> = {}): StateResource => ({
  urn: `urn:pulumi:prod::oke-platform::kubernetes:core/v1:Namespace::${name}`,
  type: "kubernetes:core/v1:Namespace",
  custom: true,
  ...changes,
});
const root: StateResource = {
  urn: "urn:pulumi:prod::oke-platform::pulumi:pulumi:Stack::root",
  type: "pulumi:pulumi:Stack",
  custom: false,
};

const state = (resources: StateResource[], operations: [type: string, resource: StateResource][] = []): State => ({
  version: 3,
  deployment: {
    resources,
    pending_operations: operations.map(([type, it]) => ({ type, resource: it })),
  },
});

describe("a state", () => {
  it("tells the last of the creates that were cut off in each resource, and what has its place", () => {
    const there = resource("b", { id: "b" });
    const all = state(
      [resource("b", { id: "old", delete: true }), there],
      [
        ["creating", resource("a", { inputs: { run: 1 } })],
        ["updating", there],
        ["creating", resource("b")],
        ["creating", resource("a", { inputs: { run: 2 } })],
      ],
    );
    expect(lostCreates(all)).toEqual([
      { resource: resource("a", { inputs: { run: 2 } }), known: undefined },
      { resource: resource("b"), known: there },
    ]);
  });

  it("takes over what was being made, behind what it stands on, and forgets what was cut off", () => {
    const wanted = resource("a", { inputs: { secret: "sealed" } });
    const before = state([root, resource("b", { id: "b" })], [["creating", wanted]]);
    const adopted = [{ resource: wanted, id: "a", outputs: { __fieldManager: "pulumi-kubernetes-1" } }];
    expect(edited(before, { adopted, unfinished: [] })).toEqual({
      version: 3,
      deployment: {
        resources: [
          root,
          resource("b", { id: "b" }),
          { ...wanted, id: "a", outputs: { __fieldManager: "pulumi-kubernetes-1" } },
        ],
      },
    });
  });

  it("keeps what is replaced until the next up deletes it", () => {
    const before = state([root, resource("a", { id: "old" })], [["creating", resource("a")]]);
    const { resources } = edited(before, {
      adopted: [{ resource: resource("a"), id: "new", outputs: {} }],
      unfinished: [],
    }).deployment;
    expect(resources).toEqual([
      root,
      resource("a", { id: "old", delete: true }),
      resource("a", { id: "new", outputs: {} }),
    ]);
  });

  it("has the next up try again what is not finished", () => {
    const { resources } = edited(state([resource("a", { id: "a" })]), {
      adopted: [],
      unfinished: [resource("a").urn],
    }).deployment;
    expect(resources).toEqual([resource("a", { id: "a", initErrors: ["a run was cut off"] })]);
  });
});

/** A CLI that answers each of its calls, and remembers them. */
function cli(...answers: ((args: string[]) => Promise<string> | string)[]) {
  const calls: string[] = [];
  const pulumi: PulumiCli = {
    async read(args) {
      calls.push(args.join(" ").replace(/\S+state\.json/, "<file>"));
      const said = await answers.shift()?.(args);
      return { code: said ? 255 : 0, stdout: "", stderr: said ?? "" };
    },
    show: () => Promise.reject(new Error("nothing is shown")),
  };
  return { pulumi, calls };
}
const well = () => "";
const fileOf = (args: string[]) => args[args.indexOf("--file") + 1] ?? "";

it("a state is read and written by the CLI, with its secrets sealed, in files that do not stay", async () => {
  const files: string[] = [];
  const { pulumi, calls } = cli(
    async (args) => {
      files.push(fileOf(args));
      await writeFile(fileOf(args), JSON.stringify(state([root])));
      return "";
    },
    async (args) => {
      files.push(fileOf(args));
      expect(JSON.parse(await readFile(fileOf(args), "utf8"))).toEqual(state([root]));
      return "";
    },
  );
  await importState(pulumi, "prod", await exportState(pulumi, "prod"));
  expect(calls).toEqual(["stack export --file <file> --stack prod", "stack import --file <file> --stack prod"]);
  for (const file of files) await expect(readFile(file)).rejects.toThrow("ENOENT");
});

it("a state that Pulumi does not take is refused in its words", async () => {
  const { pulumi } = cli(() => "warning: x\nerror: state file contains errors: bad\n");
  await expect(importState(pulumi, "prod", state([]))).rejects.toThrow(
    "the state of stack prod cannot be written: error: state file contains errors: bad",
  );
});

describe("another run", () => {
  const lock = (host: string, pid: number) =>
    "error: the stack is currently locked by 1 lock(s). Either wait for the other process(es) to end or delete the lock " +
    `file with \`pulumi cancel\`.\n  file:///state/locks/prod.json: created by me@${host} (pid ${pid}) at 2026-11-27T10:00:00Z\n`;
  const probe = `refresh --yes --skip-preview --skip-pending-creates --non-interactive --target ${root.urn} --stack prod`;
  /** Of a process that has ended. */
  const { pid: dead } = spawnSync(process.execPath, ["--version"]);

  it("is not at work where the lock can be had", async () => {
    const { pulumi, calls } = cli(well);
    await refuseOtherRuns(pulumi, "prod", state([root]));
    expect(calls).toEqual([probe]);
  });

  it("was killed where its process was on this machine and is no more: its lock is taken away", async () => {
    const { pulumi, calls } = cli(() => lock(hostname(), dead), well, well);
    await refuseOtherRuns(pulumi, "prod", state([root]));
    expect(calls).toEqual([probe, "cancel --yes --stack prod", probe]);
  });

  it.each([
    ["on this machine", lock(hostname(), process.pid)],
    ["elsewhere", lock("runner-7", dead)],
    ["at Pulumi Cloud", "error: [409] Conflict: Another update is currently in progress.\n"],
  ])("may be alive %s, and is refused", async (_where, said) => {
    const { pulumi, calls } = cli(() => said);
    await expect(refuseOtherRuns(pulumi, "prod", state([root]))).rejects.toThrow(
      /^another run may still be at work, and nothing is changed: error: .*\nWait for its end\. If it was killed, run pulumi cancel --stack prod, and this again\.$/s,
    );
    expect(calls).toEqual([probe]);
  });
});
