import { beforeAll, describe, expect, it } from "vitest";
import type { Action } from "../../../tools/adopt/actions.ts";
import type { Plan } from "../../../tools/adopt/plan.ts";
import { type Takeover, takeOver, undo } from "../../../tools/adopt/takeover.ts";
import type { PulumiCli } from "../../../tools/lib/pulumi.ts";
import type { Check } from "../../../tools/verify/check.ts";
import { articleCluster } from "./article.ts";
import { planned } from "./looking.ts";
import { type MemoryCluster, memoryCluster } from "./memory-cluster.ts";

// A takeover from its plan to its end, cut off at each of its changes.

let plan: Plan;
beforeAll(async () => {
  plan = await planned(memoryCluster(articleCluster()));
});

class CutOff extends Error {}

interface Scene extends Takeover {
  readonly cluster: MemoryCluster;
  /** What the Pulumi CLI was told, with the variables of its own. */
  readonly told: string[];
  readonly said: string[];
}

/** A stack and the article's cluster; every change is counted, and the one of that number cuts it off. */
function scene({ cutAt = Number.POSITIVE_INFINITY, checks = [] as Check[], actions = plan.actions } = {}): Scene {
  const cluster = memoryCluster(articleCluster());
  const told: string[] = [];
  const said: string[] = [];
  let changes = 0;
  const change = () => {
    if (changes++ === cutAt) throw new CutOff();
  };
  cluster.before = change;
  const pulumi: PulumiCli = {
    async read(args) {
      change();
      told.push(args.slice(0, 2).join(" "));
      return { code: 0, stdout: "", stderr: "" };
    },
    async show(args, env = {}) {
      change();
      told.push([args[0], ...Object.keys(env).sort()].join(" "));
      return 0;
    },
  };
  return {
    ...{ stack: "live", cluster, pulumi, told, said },
    plan: async () => ({ rows: plan.rows, actions }),
    repair: async () => void told.push("repair"),
    verify: async () => checks,
    pause: async () => {},
    approve: async () => true,
    say: () => {},
    log: (line) => void said.push(line),
  };
}

const applicationsIn = ({ objects }: MemoryCluster) =>
  [...objects.values()].filter(({ kind }) => kind === "Application").map(({ metadata }) => metadata?.name);

/** Everything but what only the API server counts. */
const contents = ({ objects }: MemoryCluster) =>
  [...objects.values()].map(({ metadata, ...rest }) => {
    const { uid: _, ...others } = metadata ?? {};
    return JSON.stringify([withoutEmpty(others), rest]);
  });
/** A merge patch that takes the last label away leaves a map with nothing in it. */
const withoutEmpty = (metadata: object) =>
  Object.fromEntries(Object.entries(metadata).filter(([, value]) => JSON.stringify(value) !== "{}"));

describe("a takeover", () => {
  it("ends with the Applications gone, their finalizers first, and everything else there", async () => {
    const work = scene();
    expect(await takeOver(work)).toBe(true);
    expect(applicationsIn(work.cluster)).toEqual(["vault", "platform"]);
    expect(work.told).toEqual([
      "config set-all",
      "up PULUMI_K8S_ENABLE_PATCH_FORCE PULUMI_K8S_UPSERT_EXISTING_OBJECTS",
      "up",
    ]);
    const before = articleCluster().filter(({ kind }) => kind !== "Application").length;
    expect([...work.cluster.objects.values()].filter(({ kind }) => kind !== "Application")).toHaveLength(before);
    const last = work.cluster.changes.filter((it) => it.includes("argocd/routes")).slice(-2);
    expect(last).toEqual([
      'patch Application.argoproj.io argocd/routes {"metadata":{"finalizers":[]}}',
      "remove Application.argoproj.io argocd/routes",
    ]);
  });

  it("changes nothing without a yes, and nothing where something is refused", async () => {
    const work = scene();
    expect(await takeOver({ ...work, approve: async () => false })).toBe(false);
    const refused = {
      ...work,
      plan: async () => ({ rows: [{ kind: "refuse" as const, subject: "", text: "" }], actions: [] }),
    };
    expect(await takeOver(refused)).toBe(false);
    expect([work.cluster.changes, work.told]).toEqual([[], []]);
  });

  it("keeps the Applications, and goes on, where what is up is not as it should be", async () => {
    const work = scene({ checks: [{ name: "tls", status: "FAIL", reason: "no" }] });
    await expect(takeOver(work)).rejects.toThrow("the Applications are kept:\nFAIL");
    expect(applicationsIn(work.cluster)).toHaveLength(10);
    expect(await takeOver({ ...work, verify: async () => [] })).toBe(true);
    expect(applicationsIn(work.cluster)).toHaveLength(2);
  });

  it("ends before anything else where something sets an Application's sync back", async () => {
    const work = scene();
    const patch = work.cluster.patch.bind(work.cluster);
    work.cluster.patch = async (name, change) => {
      if (name.name !== "istiod" || name.kind !== "Application") await patch(name, change);
    };
    await expect(takeOver(work)).rejects.toThrow("Application argocd/istiod syncs by itself again");
    expect(work.told).toEqual(["config set-all"]);
  });

  it("keeps an Application whose parent would make it again", async () => {
    const work = scene();
    await expect(
      takeOver({
        ...work,
        verify: async () => {
          const name = {
            apiVersion: "argoproj.io/v1alpha1",
            kind: "Application",
            namespace: "argocd",
            name: "platform",
          };
          await work.cluster.patch(name, { spec: { syncPolicy: { automated: {} } } });
          return [];
        },
      }),
    ).rejects.toThrow("Application argocd/platform syncs by itself again, and would make cert-manager again");
    expect(applicationsIn(work.cluster)).toHaveLength(10);
  });

  it("is another stack's to go on with", async () => {
    const work = scene({ cutAt: 3 });
    await expect(takeOver(work)).rejects.toThrow(CutOff);
    await expect(takeOver({ ...work, stack: "other" })).rejects.toThrow("a takeover by stack live is under way");
  });
});

describe("cut off at each change", () => {
  it("it goes on, and ends as one that was not", async () => {
    const whole = scene();
    await takeOver(whole);
    const changes = whole.cluster.changes.length + whole.told.length;
    expect(changes).toBeGreaterThan(30);
    for (let cutAt = 0; cutAt < changes; cutAt++) {
      const work = scene({ cutAt });
      await expect(takeOver(work), `cut at ${cutAt}`).rejects.toThrow(CutOff);
      expect(await takeOver(work), `cut at ${cutAt}`).toBe(true);
      expect(contents(work.cluster), `cut at ${cutAt}`).toEqual(contents(whole.cluster));
      // Pulumi has been told to take over, and then not to, in that order and to the end.
      expect(work.told.filter((it) => it.startsWith("up")).slice(-2), `cut at ${cutAt}`).toEqual(whole.told.slice(1));
    }
  });

  it("it is undone until up begins, and refuses to be from then on", async () => {
    const before = contents(memoryCluster(articleCluster()));
    const whole = scene();
    await takeOver(whole);
    const begun = whole.cluster.changes.findIndex((it) => it.includes('"begun":"true"')) + 1;
    expect(begun).toBeGreaterThan(20);
    for (let cutAt = 1; cutAt <= begun; cutAt++) {
      const work = scene({ cutAt });
      await expect(takeOver(work)).rejects.toThrow(CutOff);
      expect(await undo(work), `cut at ${cutAt}`).toBe(true);
      expect(contents(work.cluster).sort(), `cut at ${cutAt}`).toEqual([...before].sort());
      await expect(undo(work)).rejects.toThrow("there is nothing to undo");
    }
    const late = scene({ cutAt: begun + 1 });
    await expect(takeOver(late)).rejects.toThrow(CutOff);
    await expect(undo(late)).rejects.toThrow("up has begun, and what it has taken over cannot be given back");
    expect(await takeOver(late)).toBe(true);
    expect(late.told[1]).toBe("repair");
  });
});

describe("a release of another Helm", () => {
  const record = { namespace: "istio-system", name: "sh.helm.release.v1.istiod.v3" };
  const secret = {
    apiVersion: "v1",
    kind: "Secret",
    type: "helm.sh/release.v1",
    metadata: { ...record, labels: { owner: "helm", name: "istiod", status: "deployed", version: "3" } },
    data: { release: "cmVsZWFzZQ==" },
  };
  const actions: Action[] = [
    { do: "set-aside-record", record },
    { do: "up-with-upsert" },
    { do: "forget-records", records: [record] },
  ];
  const secretsIn = ({ objects }: MemoryCluster) =>
    [...objects.values()]
      .filter(({ kind }) => kind === "Secret")
      .map(({ metadata, data }) => [metadata?.name, metadata?.labels?.owner, data]);

  it("has its record set aside until all is done", async () => {
    const work = scene({ actions });
    await work.cluster.create(secret);
    expect(await takeOver({ ...work, plan: async () => ({ rows: [], actions: actions.slice(0, 2) }) })).toBe(true);
    expect(secretsIn(work.cluster)).toEqual([[`set-aside.${record.name}`, "oke-platform-adopt", secret.data]]);
    expect(await takeOver(work)).toBe(true);
    expect(secretsIn(work.cluster)).toEqual([]);
  });

  it("has one of the same name that up has written left alone when it goes on", async () => {
    const work = scene({ actions: [...actions.slice(0, 2), { do: "verify" }, ...actions.slice(2)] });
    await work.cluster.create(secret);
    const { pulumi } = work;
    const installed = { ...secret, data: { release: "b3Vycw==" } };
    const show: PulumiCli["show"] = async (...args) => {
      if (secretsIn(work.cluster).length === 1) await work.cluster.create(installed);
      return pulumi.show(...args);
    };
    const failing = async (): Promise<Check[]> => [{ name: "tls", status: "FAIL", reason: "no" }];
    const run = { ...work, pulumi: { ...pulumi, show } };
    await expect(takeOver({ ...run, verify: failing })).rejects.toThrow("the Applications are kept");
    expect(await takeOver(run)).toBe(true);
    expect(secretsIn(work.cluster)).toEqual([[record.name, "helm", installed.data]]);
  });

  it("has it back after an undo, wherever it was cut off", async () => {
    for (const cutAt of [3, 4]) {
      const work = scene({ actions, cutAt });
      await work.cluster.create(secret);
      await expect(takeOver(work)).rejects.toThrow(CutOff);
      await undo(work);
      expect(secretsIn(work.cluster)).toEqual([[record.name, "helm", secret.data]]);
    }
  });
});
