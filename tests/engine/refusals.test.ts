import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { examples } from "../../project/placeholders.ts";
import { openSandbox, type Sandbox } from "../../sandbox/sandbox.ts";
import { isStolen } from "../../sandbox/world/attackers.ts";
import { emptyWorld, peaceful } from "../../sandbox/world/beginnings.ts";
import { openWorld } from "../../sandbox/world/systems.ts";
import { closeAll, closedPort } from "../loopback.ts";
import { changesIn, problemsIn, refusalOf, SCALE, withSettings } from "./harness.ts";
import { startLists } from "./lists.ts";

// What a running stack refuses in a preview, through the real engine.

const OTHER = "ocid1.cluster.oc1.eu-frankfurt-1.aaaaother";
const OURS = examples["<OKE cluster OCID>"];
const RUNNING = { charts: { istio: { version: "1.29.8" } } };

let directory: string;
let sandbox: Sandbox;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "oke-sandbox-"));
  const world = openWorld(peaceful(emptyWorld()));
  world.put({ kind: "Cluster", name: "other", spec: {} }, OTHER);
  const cluster = world.byId(OURS);
  if (cluster)
    cluster.spec.server = await startLists(
      () => sandbox,
      // An attacker's ExternalSecret is in error and needs nobody; here it is about those who are served.
      (key) => !isStolen(key),
    );
  sandbox = await openSandbox({
    directory,
    stack: "prod",
    scale: SCALE,
    world: world.state,
    configure: withSettings(RUNNING),
  });
  await sandbox.stack.up();
});
afterAll(async () => {
  await closeAll();
  await rm(directory, { recursive: true, force: true });
});

/** What a preview of a change refuses. */
async function refused(changes: Record<string, unknown>): Promise<string> {
  const configure = withSettings({ ...RUNNING, ...changes });
  return refusalOf(await openSandbox({ directory, stack: "prod", scale: SCALE, configure }));
}

const NOTHING = "nothing was refused";

describe("Istio", () => {
  const istio = (version: string) => refused({ charts: { istio: { version } } });
  const way = (next: string) =>
    " (release istio-base; https://istio.io/latest/docs/setup/upgrade/). The next step: " +
    `pulumi config set --path charts.istio.version ${next} --stack prod, then pulumi up`;

  it("is not upgraded past a minor version", async () => {
    expect(await istio("1.31.4")).toBe(
      `Istio would go from 1.29.8 to 1.31.4, and goes one minor version at a time${way("1.30.5")}`,
    );
  });

  it("does not go back by one", async () => {
    expect(await istio("1.28.10")).toBe(
      `Istio would go back from 1.29.8 to 1.28.10: what the newer minor version wrote may be unknown to the older${way("1.29.8")}`,
    );
  });

  it("goes to the next one, and back by a patch", async () => {
    expect(await istio("1.30.5")).toBe(NOTHING);
    expect(await istio("1.29.7")).toBe(NOTHING);
  });
});

describe("External Secrets", () => {
  const off = () => refused({ externalSecrets: { install: false } });
  const put = (...names: string[]) =>
    sandbox.cloud.visit((world) => {
      for (const name of names) world.put({ kind: "ExternalSecret", namespace: "shop", name, spec: {} });
    });
  const way =
    "Take the change back (externalSecrets.install: true, with vault), or have another External Secrets serve them first, " +
    "in another namespace, with its installCRDs, webhook.create and certController.create false until this one is gone";

  it("may go where it serves this stack alone", async () => {
    expect(await off()).toBe(NOTHING);
  });

  it("does not go while it serves others", async () => {
    await put("database");
    expect(await off()).toBe(
      `External Secrets would go from namespace external-secrets, and nobody would sync ExternalSecret shop/database. ${way}`,
    );
  });

  it("does not go with the stack's Vault either", async () => {
    await put("mail", "queue", "search");
    expect(await refused({ vault: undefined, acme: { server: "ca" }, cloudflare: { token: "none" } })).toBe(
      "External Secrets would go from namespace external-secrets, and nobody would sync ExternalSecret shop/database, " +
        `ExternalSecret shop/mail, ExternalSecret shop/queue and 1 more. ${way}`,
    );
  });

  it("does not go where nobody can say whom it serves", async () => {
    const port = await closedPort();
    const before = openWorld(await sandbox.cloud.look()).byId(OURS)?.spec.server;
    const serverIs = (server: unknown) =>
      sandbox.cloud.visit((world) => {
        const cluster = world.byId(OURS);
        if (cluster) cluster.spec.server = server;
      });
    await serverIs(`http://127.0.0.1:${port}`);
    const refusal = await off();
    await serverIs(before);
    expect(refusal).toMatch(
      /^External Secrets would go from namespace external-secrets, and whom it serves cannot be seen: .*ECONNREFUSED.*\. Take the change back$/,
    );
  });

  it("may go when another serves them", async () => {
    await sandbox.cloud.visit((world) => {
      const spec = { chart: "external-secrets" };
      world.put({ kind: "Deployment", namespace: "theirs", name: "external-secrets", spec });
    });
    expect(await off()).toBe(NOTHING);
  });
});

describe("the cluster", () => {
  const gone = (there: string, renamed = "") =>
    `this stack is in cluster.id ${OURS} and would be in ${there}: everything would be made anew there, and deleted here. ` +
    `Take the change back${renamed}. Another cluster is another stack: pulumi stack init <name>`;

  it("is not another one", async () => {
    expect(await refused({ cluster: { id: OTHER } })).toBe(gone(`cluster.id ${OTHER}`));
  });

  it("is not named by a context instead", async () => {
    expect(await refused({ cluster: { context: "k3s" } })).toBe(gone("cluster.context k3s"));
  });
});

it("has touched nothing", async () => {
  const events: Parameters<typeof changesIn>[0] = [];
  const same = await openSandbox({ directory, stack: "prod", scale: SCALE, configure: withSettings(RUNNING) });
  await same.stack.preview({ onEvent: (event) => void events.push(event) });
  expect(changesIn(events)).toEqual([]);
  expect(await problemsIn(sandbox)).toEqual([]);
});
