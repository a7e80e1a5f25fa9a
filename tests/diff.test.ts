import { mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Registration, record, recordStack } from "../project/record.ts";
import { projectDirectory, readStack } from "../project/stack.ts";
import { diffMarkdown, diffOf, diffText, type Revision } from "../tools/diff.ts";
import { planMermaid, planOf, revisionsIn, withoutSecrets } from "../tools/plan.ts";
import { type Planner, pairsAgainst } from "../tools/revision.ts";
import { copyProject, git } from "./pull-request.ts";

// What a reviewer is told of a change. The first group makes real pull requests, a commit on a base, of which the text
// is in tests/golden; `vitest run tests/diff.test.ts -u` writes it anew.

let root: string;
let head: string;
/** The plans of the base, which is the same for all. */
let planned: Promise<Revision[]>;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "oke-diff-"));
  head = join(root, "head");
  await copyProject(head);
  // Two stacks are enough to tell of.
  git(head, "rm", "--quiet", "Pulumi.e2e.yaml", "Pulumi.fresh.yaml");
  git(head, "commit", "--quiet", "--message", "two stacks");
  await symlink(join(projectDirectory, "node_modules"), join(head, "node_modules"));
  planned = revisionsIn(head, ["lab", "prod"]);
  await planned;
});
afterAll(() => rm(root, { recursive: true, force: true }));

/** Edits a copy of the project's files, as a pull request would, and says what it does. */
async function pullRequest(name: string, edits: Record<string, (text: string) => string>): Promise<string> {
  git(head, "checkout", "--quiet", "-b", name.replaceAll(" ", "-"), "main");
  for (const [file, edit] of Object.entries(edits)) {
    const text = await readFile(join(head, file), "utf8");
    expect(edit(text), `the edit of ${file} does something`).not.toBe(text);
    await writeFile(join(head, file), edit(text));
  }
  git(head, "commit", "--quiet", "--all", "--message", name);
  // In this process, where only one program can be recorded at a time.
  const planner: Planner = async (directory, stacks) => (directory === head ? revisionsIn(directory, stacks) : planned);
  return diffMarkdown("main", (await pairsAgainst("main", head, planner)).map(diffOf));
}

const prod = (edit: (text: string) => string) => ({ "Pulumi.prod.yaml": edit });

describe("the pull request", () => {
  it.each([
    {
      name: "a changed port",
      edits: prod((text) => text.replace("port: 8200", "port: 8201")),
    },
    {
      name: "a new service",
      edits: prod((text) => `${text}    - name: grafana\n      namespace: monitoring\n      port: 3000\n`),
    },
    {
      name: "a removed service",
      edits: prod((text) => text.replace(/ {4}- name: argocd\n( {6}.*\n)+/, "")),
    },
    {
      name: "a chart update",
      // Of the stack that pins its charts, so that newer defaults leave this test alone.
      edits: { "Pulumi.lab.yaml": (text: string) => text.replace("version: 1.26.4", "version: 1.27.8") },
    },
    {
      name: "a bandwidth change",
      edits: prod((text) => text.replace("minMbps: 100", "minMbps: 200").replace("maxMbps: 1000", "maxMbps: 2000")),
    },
    {
      name: "a changed certificate name",
      edits: prod((text) =>
        text.replace("domain: <zone>", "domain: <zone>\n  oke-platform:baseDomain: apps.example.com"),
      ),
    },
    {
      name: "a broken configuration",
      edits: prod((text) => text.replace("maxMbps: 1000", "maxMbps: 9000").replace("port: 8200", "port: 0")),
    },
  ])("$name reads as in its golden file", async ({ name, edits }) => {
    await expect(await pullRequest(name, edits)).toMatchFileSnapshot(`golden/${name.replaceAll(" ", "-")}.md`);
  });

  it("has a golden file for each of them, and for nothing else", async () => {
    expect(await readdir(join(projectDirectory, "tests/golden"))).toHaveLength(7);
  });
});

type Settings = Readonly<Record<string, unknown>>;

let recordings = 0;

/** Prod under other settings, as {@link revisionsIn} would have it. */
async function revision(changes: Settings = {}, secrets: Record<string, string> = {}) {
  const { values } = await readStack("prod");
  for (const [key, value] of Object.entries({ ...changes, ...secrets })) {
    values[`oke-platform:${key}`] = typeof value === "string" ? value : JSON.stringify(value);
  }
  const config = { values, secrets: Object.keys(secrets).map((key) => `oke-platform:${key}`) };
  // Only the program's top level is run again; to import everything afresh would take three times as long.
  const program = `${projectDirectory}index.ts?diff=${++recordings}`;
  return { registrations: withoutSecrets(await record(() => import(program), "prod", config)), sealed: {} };
}

let shipped: Awaited<ReturnType<typeof revision>>;
beforeAll(async () => {
  shipped = await revision();
});

/** The text of what a change from one way of setting prod up to another does. */
const told = (before: Revision, after: Revision) => diffText("base", [diffOf({ stack: "prod", before, after })]);

const something = {
  urn: "urn:pulumi:prod::oke-platform::acme:index/unheard:Unheard::something",
  type: "acme:index/unheard:Unheard",
  name: "something",
  parent: undefined,
  custom: true,
  dependsOn: [],
  dataDependsOn: [],
  options: {
    retainOnDelete: false,
    ignoreChanges: [],
    importId: undefined,
    createSeconds: undefined,
    updateSeconds: undefined,
    hooks: [],
    provider: "",
  },
};

const loadBalancer = async (changes: Record<string, unknown>) => {
  const { values } = await readStack("prod");
  return { loadBalancer: { ...JSON.parse(values["oke-platform:loadBalancer"] ?? "{}"), ...changes } };
};

describe("a reviewer is told", () => {
  it("nothing of a change that changes nothing", async () => {
    expect(told(shipped, await revision())).toBe("compared with base\n\nprod: nothing changes\n");
    // A date that is counted from today, which Pulumi is told to leave alone.
    const ends = (tokenExpiresDays: number) => revision({ cloudflare: { tokenExpiresDays } });
    expect(told(await ends(30), await ends(60))).toContain("nothing changes");
  });

  describe.each([
    {
      settings: {
        acme: { server: "staging", email: "platform@example.com", propagationSeconds: 30 },
        reflector: { namespaces: "all" },
        gateway: { minTls: "1.3" },
        cloudflare: { tokenSerial: 2, proxied: true },
        vault: { address: "http://127.0.0.1:8200", path: "prod/other" },
        charts: {
          istio: { version: "1.30.0" },
          certManager: { values: { imageRegistry: "registry.example.com" } },
          reflector: { repo: "oci://registry.example.com/charts" },
        },
      },
      says: [
        "RISK Certificates will come from Let's Encrypt's staging server instead of Let's Encrypt\n       A new certificate is issued, which no browser trusts.",
        "RISK The certificate's private key will be copied to every namespace instead of istio-system",
        "RISK The lowest TLS version becomes TLSV1_3 instead of TLSV1_2",
        "The DNS token is rotated: oke-platform-prod-2 is made at Cloudflare and handed to the cluster within the hour",
        "RISK DNS of cluster.example.com and *.cluster.example.com: proxied false → true, ttl 300 → 1",
        "RISK vault-secret (SecretV2) is replaced: name prod/cert-manager → prod/other",
        /RISK Charts base, gateway and istiod go from [\d.]+ to 1\.30\.0\n {7}An older version/,
        "Values of the chart of cert-manager: values.imageRegistry becomes registry.example.com",
        "Chart reflector goes to the source oci://registry.example.com/charts instead of https://emberstack.github.io/helm-charts",
      ],
    },
    {
      settings: {
        acme: { server: "production", email: "platform@example.com", propagationSeconds: 20 },
        cluster: { id: "ocid1.cluster.oc1.eu-frankfurt-1.aaaaother" },
        charts: { istio: { version: "1.34.0" }, certManager: { version: "v1.24.0" } },
        externalSecrets: { install: false },
        size: "small",
        services: [
          { name: "safe", namespace: "vault", service: "vault", port: 8200, host: "vault.cluster.example.com" },
          { name: "argocd", namespace: "argocd", service: "argocd-server", port: 80, host: "cd.cluster.example.com" },
        ],
      },
      says: [
        "RISK The issuer changes: spec.acme.solvers[0].waitInsteadOfSelfCheck 30s → 20s",
        /RISK kubernetes \(kubernetes\) is replaced: clusterIdentifier \S+ → \S+aaaaother\n {7}Another cluster/,
        /RISK Charts base, gateway and istiod go from [\d.]+ to 1\.34\.0\n {7}Istio is upgraded one minor version/,
        /^ {2}Chart cert-manager goes from v[\d.]+ to v1\.24\.0$/m,
        "RISK Chart external-secrets is uninstalled from external-secrets",
        "RISK external-secrets-namespace (Namespace) is removed\n       Everything in the namespace goes with it.",
        "Order: secret-store no longer waits for external-secrets",
        "Replicas of cert-manager: cainjector.replicaCount 2 → 1, replicaCount 2 → 1, webhook.replicaCount 3 → 1",
        /Values of the chart of istio-istiod: global, resources and topologySpreadConstraints, \d+ fields in all/,
        "RISK vault.cluster.example.com stays with vault:8200 in vault\n       It becomes another VirtualService",
        "RISK cd.cluster.example.com will be routed to argocd-server:80 in argocd, and argocd.cluster.example.com no longer",
      ],
    },
  ])("of", ({ settings, says }) => {
    let text: string;
    beforeAll(async () => {
      text = told(shipped, await revision(settings));
    });

    it.each(says)("%s", (sentence) => {
      if (sentence instanceof RegExp) expect(text).toMatch(sentence);
      else expect(text).toContain(sentence);
    });

    it("everything else that differs too, and each field once", async () => {
      const after = await revision(settings);
      const was = new Map(shipped.registrations.map((it) => [it.urn, it]));
      const differ = ({ urn, inputs, dependsOn }: Registration) =>
        JSON.stringify([inputs, dependsOn]) !== JSON.stringify([was.get(urn)?.inputs, was.get(urn)?.dependsOn]);
      for (const { name } of after.registrations.filter(differ))
        expect(text).toMatch(new RegExp(`^ {6}[!+] ${name} `, "m"));
      let resource = "";
      const fields = text.split("\n").flatMap((line) => {
        resource = /^ {6}[-!+] (\S.*)/.exec(line)?.[1] ?? resource;
        return /^ {6}[-+] {3}\S/.test(line) ? [`${resource} ${line}`] : [];
      });
      expect(fields).toEqual([...new Set(fields)]);
    });
  });

  it.each(["None", "SL-All"])("of the firewall where the rules are %s", async (rules) => {
    const cidrs = { allowedCidrs: ["198.51.100.0/24", "203.0.113.0/24"] };
    const before = rules === "None" ? shipped : await revision(await loadBalancer({ rules }));
    const after = await revision(await loadBalancer({ rules, ...cidrs }));
    expect(told(before, after)).toContain(
      "RISK 198.51.100.0/24 and 203.0.113.0/24 may connect to the load balancer from now on; 0.0.0.0/0 may no longer",
    );
    expect(told(before, after)).toContain("Clients there are cut off.");
    expect(told(after, before)).toContain("RISK 0.0.0.0/0 may connect to the load balancer from now on");
  });

  it("of the load balancer's other settings, and of its address", async () => {
    const inside = told(shipped, await revision(await loadBalancer({ internal: true })));
    expect(inside).toMatch(/RISK The load balancer changes: .*load-balancer-internal"\] false → true/);
    expect(inside).toContain("RISK The reserved public IP leaves this stack; it stays at OCI");
    const moved = told(
      shipped,
      await revision(await loadBalancer({ compartmentId: "ocid1.compartment.oc1..aaaaother" })),
    );
    expect(moved).toContain("RISK The reserved public IP is replaced by another: compartmentId");
  });

  it("risks first", async () => {
    const after = await revision({
      ...(await loadBalancer({ maxMbps: 2000 })),
      services: [
        { name: "vault", namespace: "vault", port: 8201 },
        { name: "argocd", namespace: "argocd", service: "argocd-server", port: 80 },
      ],
    });
    const text = told(shipped, after);
    const lines = text.split("\n").filter((line) => /^ {2}\S/.test(line));
    expect(lines).toEqual([
      "  RISK The load balancer's bandwidth changes from 100–1000 to 100–2000 Mbps",
      "  vault.cluster.example.com will be routed to vault:8201 in vault instead of vault:8200 in vault",
    ]);
  });

  it("of every resource of a new stack, and of every one of a removed one", async () => {
    const text = diffText("base", [diffOf({ stack: "prod", before: undefined, after: shipped })]);
    const own = shipped.registrations.filter((it) => it.custom && !it.type.startsWith("pulumi:"));
    expect(text).toContain(`prod: a new stack, ${own.length} new`);
    for (const { name } of own) expect(text).toContain(`+ ${name} (`);
    expect(text).not.toContain("will no longer");
    const gone = diffText("base", [diffOf({ stack: "prod", before: shipped, after: undefined })]);
    expect(gone).toContain(
      `prod: the stack's file is gone, but what it made stays until pulumi destroy, ${own.length} removed`,
    );
    for (const { name } of own) expect(gone).toContain(`- ${name} (`);
  });

  it("of no secret, on no side, and that one is encrypted anew", async () => {
    const supplied = (token: string) => revision({ cloudflare: { token: "supplied" } }, { cloudflareApiToken: token });
    const [before, after] = [await supplied("first-token"), await supplied("second-token")];
    const sealed = (digest: string) => ({ "oke-platform:cloudflareApiToken": digest });
    const text = diffText("base", [
      diffOf({ stack: "prod", before: { ...before, sealed: sealed("a") }, after: { ...after, sealed: sealed("b") } }),
    ]);
    expect(text).toBe(
      "compared with base\n\nprod: \n  The secret oke-platform:cloudflareApiToken is encrypted anew; its value may be another\n",
    );
    const fresh = diffText("base", [diffOf({ stack: "prod", before: undefined, after: { ...after, sealed: {} } })]);
    expect(fresh).toContain("+   dataJson: [secret]");
    expect(fresh).not.toContain("second-token");
  });

  it("of a field of a type that nobody thought of", async () => {
    const [before, after] = ["1h", "2h"].map((every) => ({
      sealed: {},
      registrations: [{ ...something, inputs: { deep: [{ "a.b": every, same: 1 }] } }],
    }));
    const text = diffText("base", [diffOf({ stack: "prod", before, after })]);
    expect(text).toContain('something (Unheard) changes: deep[0]["a.b"] 1h → 2h');
  });

  it("in Markdown that no value can break out of, and that fits into a comment", async () => {
    const tricky = "`````\n<script>alert(1)</script>\n````";
    const after = await revision({ charts: { reflector: { values: { note: tricky } } } });
    const markdown = diffMarkdown("base", [diffOf({ stack: "prod", before: shipped, after })]);
    expect(markdown.match(/^ *````/gm)).toHaveLength(2);
    expect(markdown).not.toMatch(/^\s*<script>/m);
    const many = Array.from({ length: 100 }, (_, at) => ({ name: `s${at}`, namespace: "many", port: 80 }));
    const large = diffMarkdown("base", [
      diffOf({ stack: "prod", before: shipped, after: await revision({ services: many }) }),
    ]);
    expect(large.length).toBeLessThan(45_000);
    expect(large).toContain("`s0.cluster.example.com` will be routed to `s0:80` in `many`");
  });
});

describe("another revision", () => {
  const here = { "index.ts": "x", "Pulumi.prod.yaml": "x" };
  /** A planner that says which directories it was given, and what was in them. */
  const seen: string[] = [];
  const planner = async (directory: string, stacks: string[]): Promise<Revision[]> => {
    seen.push(directory);
    return stacks.map((stack) => ({ error: `${stack} of ${directory === repository ? "head" : "base"}` }));
  };
  let repository: string;

  beforeAll(async () => {
    repository = join(root, "small");
    git(root, "init", "--quiet", "--initial-branch=main", repository);
    await writeFile(join(repository, "README.md"), "nothing yet\n");
    git(repository, "add", ".");
    git(repository, "commit", "--quiet", "--message", "no program");
    for (const [file, text] of Object.entries(here)) await writeFile(join(repository, file), text);
    git(repository, "add", ".");
    git(repository, "commit", "--quiet", "--message", "a program");
  });

  it("without a program makes every stack a new one", async () => {
    expect(await pairsAgainst("HEAD^", repository, planner)).toEqual([
      { stack: "prod", before: undefined, after: { error: "prod of head" } },
    ]);
  });

  it("is gone when it has been planned, also when that fails", async () => {
    seen.length = 0;
    const fails = async (directory: string) => {
      seen.push(directory);
      throw new Error("no plan today");
    };
    await pairsAgainst("HEAD", repository, planner);
    await expect(pairsAgainst("HEAD", repository, fails)).rejects.toThrow("no plan today");
    const others = seen.filter((directory) => directory !== repository);
    expect(others).toHaveLength(2);
    for (const other of others) await expect(readdir(other)).rejects.toThrow("ENOENT");
    expect(git(repository, "worktree", "list").trim().split("\n")).toHaveLength(1);
    expect(git(repository, "status", "--porcelain")).toBe("");
  });

  it("that git does not have is named, with the command that gets it", async () => {
    await expect(pairsAgainst("origin/main", repository, planner)).rejects.toThrow(
      '--diff is "origin/main", which is no commit that git has here; get it with: git fetch --depth=1 origin main; then --diff FETCH_HEAD',
    );
    await expect(pairsAgainst("HEAD^2", repository, planner)).rejects.toThrow("git fetch --deepen=10");
    await expect(pairsAgainst("--output=x", repository, planner)).rejects.toThrow("no commit that git has here");
  });

  it("and no stack of the name asked for is an error that names those that there are", async () => {
    await expect(pairsAgainst("HEAD", repository, planner, ["staging"])).rejects.toThrow("allowed: prod");
  });
});

describe("the picture of the order", () => {
  it("has every component, and an arrow for each declared dependency between two", async () => {
    const picture = planMermaid(planOf("prod", await recordStack("prod")));
    expect(picture.split("\n").slice(0, 2)).toEqual(["```mermaid", "flowchart LR"]);
    expect(picture).toContain("  certificate --> tls_gateway\n");
    expect(picture).toContain("  load_balancer -.-> dns_records\n");
    expect(picture).not.toMatch(/(\w+) -\.?-> \1\n/);
  });
});
