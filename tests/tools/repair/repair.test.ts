import { writeFile } from "node:fs/promises";
import { beforeAll, describe, expect, it } from "vitest";
import { examples } from "../../../project/placeholders.ts";
import type { Registration } from "../../../project/record.ts";
import { projectDirectory } from "../../../project/stack.ts";
import type { Settings } from "../../../settings/settings.ts";
import type { PulumiCli } from "../../../tools/lib/pulumi.ts";
import type { Systems } from "../../../tools/repair/find.ts";
import type { Finding } from "../../../tools/repair/findings.ts";
import type { Cluster, LiveObject } from "../../../tools/repair/kubernetes.ts";
import { repair, repairCommand } from "../../../tools/repair/repair.ts";
import type { State, StateResource } from "../../../tools/repair/state.ts";
import { settingsOf } from "../../../tools/stack.ts";
import { named, registrationsOf } from "../../harness.ts";
import { ran } from "../command.ts";

let settings: Settings;
let registrations: Registration[];
beforeAll(async () => {
  settings = await settingsOf("prod", projectDirectory, examples);
  registrations = await registrationsOf("prod");
});

/** A resource of the program, as the state has it. */
function stored(name: string): StateResource {
  const { urn, type, custom, inputs, parent } = named(registrations, name);
  return { urn, type, custom, inputs, ...(parent !== undefined && { parent }) };
}

/** A stack whose state has all components, and in whose run these were being made. */
function stateWith(lost: readonly string[], resources: StateResource[] = []): State {
  const components = registrations
    .filter(({ custom }) => !custom)
    .map(({ urn, type }) => ({ urn, type, custom: false }));
  return {
    version: 3,
    deployment: {
      resources: [...components, ...resources],
      pending_operations: lost.map((name) => ({ type: "creating", resource: stored(name) })),
    },
  };
}

const OURS: LiveObject = { byPulumi: true, manager: "pulumi-kubernetes-3f2a91bc" };

interface Scene {
  readonly state: State;
  /** What is in the cluster, by kind and name. */
  readonly objects?: Readonly<Record<string, LiveObject>>;
  readonly approve?: boolean;
  /** What the state is when it is looked at again. */
  readonly later?: State;
}

async function repaired({ state, objects = {}, approve, later = state }: Scene) {
  const states = [state, later];
  const calls: string[] = [];
  const log: string[] = [];
  const found: Finding[] = [];
  const pulumi: PulumiCli = {
    async read(args) {
      calls.push(args.slice(0, 2).join(" "));
      if (args[1] === "export") await writeFile(args[3] ?? "", JSON.stringify(states.shift()));
      return { code: 0, stdout: "", stderr: "" };
    },
    show: () => Promise.reject(new Error("nothing is shown")),
  };
  const cluster: Cluster = {
    object: async ({ kind, name }) => objects[`${kind} ${name}`],
    records: async () => new Map(),
    deleteRecord: () => Promise.reject(new Error("nothing is to be deleted")),
    failRecord: () => Promise.reject(new Error("nothing is to be marked")),
  };
  const systems: Systems = {
    cluster,
    cloudflare() {
      throw new Error("CLOUDFLARE_API_TOKEN is not set");
    },
    vault: () => Promise.reject(new Error("Vault is not to be asked")),
    oci: () => Promise.reject(new Error("OCI is not to be asked")),
  };
  const isWhole = await repair({
    ...{ stack: "prod", settings, systems, pulumi },
    registrations: registrations.filter(({ type }) => type.startsWith("kubernetes:")),
    ...(approve !== undefined && { approve: async () => approve }),
    say: (findings) => void found.push(...findings),
    log: (line) => void log.push(line),
  });
  return { isWhole, calls, log: log.join("\n"), found: found.map(({ subject, kind }) => `${kind}: ${subject}`) };
}

const gateway = { "Gateway istio-gateway": OURS };

it("forgets labels that were being written, and tells nothing of a namespace that is there for them", async () => {
  const objects = { "Namespace cert-manager": OURS, "NamespacePatch cert-manager": OURS };
  const state = stateWith(["cert-manager-namespace"]);
  const { found, isWhole } = await repaired({ state, objects, approve: true });
  expect([found, isWhole]).toEqual([["clear: NamespacePatch cert-manager"], true]);
  expect((await repaired({ state: stateWith([]), objects })).found).toEqual([]);
});

describe("a repair", () => {
  it("takes over, and reads, what was being made", async () => {
    expect(await repaired({ state: stateWith(["tls-gateway"]), objects: gateway, approve: true })).toEqual({
      isWhole: true,
      found: ["mend: Gateway istio-system/istio-gateway"],
      calls: ["stack export", "refresh --yes", "stack export", "stack import", "refresh --yes"],
      log: "Done. Go on with pulumi up --stack prod",
    });
  });

  it("forgets what was not made", async () => {
    const { calls, found } = await repaired({ state: stateWith(["tls-gateway"]), approve: true });
    expect(found).toEqual(["clear: Gateway istio-system/istio-gateway"]);
    expect(calls.at(-1)).toBe("stack import");
  });

  it.each([["a no", false] as const, ["nobody to ask", undefined] as const])(
    "changes nothing after %s",
    async (_why, approve) => {
      const scene = { state: stateWith(["tls-gateway"]), objects: gateway, ...(approve !== undefined && { approve }) };
      expect(await repaired(scene)).toMatchObject({ isWhole: false, calls: ["stack export"] });
    },
  );

  it("changes nothing where something of the run's cannot be asked for", async () => {
    const scene = { state: stateWith(["tls-gateway", "dns-records-base"]), objects: gateway, approve: true };
    expect(await repaired(scene)).toEqual({
      isWhole: false,
      found: ["mend: Gateway istio-system/istio-gateway", "refuse: cluster.example.com"],
      calls: ["stack export"],
      log: "Nothing is changed: what is refused comes first.",
    });
  });

  it("changes nothing in the clouds once another run has changed the state", async () => {
    const later = stateWith([], [{ ...stored("tls-gateway"), id: "istio-system/istio-gateway" }]);
    const scene = { state: stateWith(["tls-gateway"]), later, objects: gateway, approve: true };
    await expect(repaired(scene)).rejects.toThrow("another run has changed the state meanwhile");
  });

  it("reads what a repair has taken over that was cut off itself", async () => {
    const taken = { ...stored("tls-gateway"), id: "istio-system/istio-gateway", outputs: { __fieldManager: "x" } };
    const { found, calls } = await repaired({ state: stateWith([], [taken]), objects: gateway, approve: true });
    expect(found).toEqual(["mend: istio-system/istio-gateway"]);
    expect(calls.at(-1)).toBe("refresh --yes");
  });

  it("forgets a create of what the state has by now", async () => {
    const made = { ...stored("tls-gateway"), id: "istio-system/istio-gateway", outputs: { kind: "Gateway" } };
    const { found } = await repaired({ state: stateWith(["tls-gateway"], [made]), objects: gateway, approve: true });
    expect(found).toEqual(["clear: Gateway istio-system/istio-gateway"]);
  });

  it("takes over what was being made anew in the place of one that was deleted", async () => {
    const gone = { ...stored("tls-gateway"), id: "istio-system/istio-gateway", outputs: { kind: "Gateway" } };
    const state = stateWith(["tls-gateway"], [{ ...gone, pendingReplacement: true }]);
    const { found, calls } = await repaired({ state, objects: gateway, approve: true });
    expect(found).toEqual(["mend: Gateway istio-system/istio-gateway"]);
    expect(calls.slice(-2)).toEqual(["stack import", "refresh --yes"]);
  });

  it("takes over nothing whose component is gone, as after a destroy", async () => {
    const { deployment, version } = stateWith(["tls-gateway"]);
    const resources = deployment.resources?.filter(({ urn }) => urn !== stored("tls-gateway").parent) ?? [];
    const state = { version, deployment: { ...deployment, resources } };
    const { found, calls } = await repaired({ state, objects: gateway, approve: true });
    expect([found, calls]).toEqual([["tell: Gateway istio-system/istio-gateway"], ["stack export"]]);
  });

  it("leaves what is somebody else's, and tells of it", async () => {
    const theirs = { "ClusterSecretStore vault-backend": { byPulumi: false, manager: undefined } };
    const told = ["tell: ClusterSecretStore vault-backend"];
    const nothing = "There is nothing of this stack's to put right.";
    const unknown = await repaired({ state: stateWith([]), objects: theirs, approve: true });
    expect(unknown).toEqual({ isWhole: false, found: told, calls: ["stack export"], log: nothing });
    const lost = await repaired({ state: stateWith(["secret-store"]), objects: theirs, approve: true });
    expect(lost).toMatchObject({ isWhole: false, found: told, log: nothing });
  });

  it("finds nothing in a stack without runs", async () => {
    expect(await repaired({ state: { version: 3, deployment: {} }, approve: true })).toMatchObject({
      isWhole: true,
      found: [],
    });
  });
});

describe("the command", () => {
  it("refuses before anything when there is nobody to ask, but for what it prints for a machine", async () => {
    const command = repairCommand(projectDirectory, {});
    const nobody = "there is no terminal to ask on; --yes goes on without a question\n";
    expect((await ran(command, "--stack", "nowhere")).stderr).toBe(nobody);
    for (const flag of ["--yes", "--json"])
      expect((await ran(command, "--stack", "nowhere", flag)).stderr).toContain("Pulumi.nowhere.yaml is not in");
  });
});
