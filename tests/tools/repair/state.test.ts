import { readFile, writeFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import {
  edited,
  exportState,
  importState,
  lostCreates,
  type State,
  type StateResource,
} from "../../../tools/repair/state.ts";
import { cli, fileOf } from "./cli.ts";

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
        ["creating", { ...root, type: "oke-platform:platform:Istio" }],
        ["creating", { ...root, type: "pulumi:providers:kubernetes", custom: true }],
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

  it("does not have what was deleted to be made anew", () => {
    const gone = resource("a", { id: "a", pendingReplacement: true });
    expect(lostCreates(state([gone], [["creating", resource("a")]]))).toEqual([
      { resource: resource("a"), known: undefined },
    ]);
  });

  it("takes over in the place of what was deleted to be made anew, before what stands on it", () => {
    const gone = resource("a", { id: "a", pendingReplacement: true, inputs: { run: 1 } });
    const standing = resource("b", { id: "b", dependencies: [gone.urn] });
    const wanted = resource("a", { inputs: { run: 2 } });
    const adopted = [{ resource: wanted, id: "a", outputs: {} }];
    const { resources } = edited(state([root, gone, standing], [["creating", wanted]]), {
      adopted,
      unfinished: [],
    }).deployment;
    expect(resources).toEqual([root, { ...wanted, id: "a", outputs: {} }, standing]);
  });

  it("has the next up try again what is not finished", () => {
    const { resources } = edited(state([resource("a", { id: "a" })]), {
      adopted: [],
      unfinished: [resource("a").urn],
    }).deployment;
    expect(resources).toEqual([resource("a", { id: "a", initErrors: ["a run was cut off"] })]);
  });
});

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
