import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { EngineEvent } from "@pulumi/pulumi/automation/index.js";
import { afterAll, beforeAll, expect, it } from "vitest";
import { examples } from "../../project/placeholders.ts";
import { openSandbox, type Sandbox } from "../../sandbox/sandbox.ts";
import { isStolen } from "../../sandbox/world/attackers.ts";
import { emptyWorld } from "../../sandbox/world/beginnings.ts";
import { keyOf } from "../../sandbox/world/state.ts";
import { openWorld } from "../../sandbox/world/systems.ts";
import { closeAll, closedPort } from "../loopback.ts";
import { changesIn, SCALE, withSettings } from "./harness.ts";
import { startLists } from "./lists.ts";

// A stack that is open to all is closed, through the real engine, while others are served. It begins as stacks did that knew
// no tenancy.

const OPEN = { tenancy: { routes: "all", certificates: "all", secrets: "all" } };

let directory: string;
let sandbox: Sandbox;
let server: string;

const open = (changes: Record<string, unknown> = {}) =>
  openSandbox({ directory, stack: "prod", scale: SCALE, configure: withSettings(changes) });

/** What a preview says, as an error or else as warnings, and what it would change. */
async function previewOf(changes?: Record<string, unknown>) {
  const events: EngineEvent[] = [];
  const { stack } = await open(changes);
  const refusal = await stack.preview({ onEvent: (event) => void events.push(event) }).then(
    () => undefined,
    ({ message }: Error) => message,
  );
  const warnings = events.flatMap(({ diagnosticEvent }) =>
    String(diagnosticEvent?.severity) === "warning" ? [diagnosticEvent?.message ?? ""] : [],
  );
  return { refusal, warnings: [...new Set(warnings)], changes: changesIn(events) };
}

const serverIs = (url: string) =>
  sandbox.cloud.visit((world) => {
    const cluster = world.byId(examples["<OKE cluster OCID>"]);
    if (cluster) cluster.spec.server = url;
  });

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "oke-sandbox-"));
  const world = openWorld(emptyWorld());
  const configure = withSettings(OPEN);
  sandbox = await openSandbox({ directory, stack: "prod", scale: SCALE, world: world.state, configure });
  server = await startLists(() => sandbox);
  await serverIs(server);
  await sandbox.stack.up();
});
afterAll(async () => {
  await closeAll();
  await rm(directory, { recursive: true, force: true });
});

/** What closing changes, beside the policies that it makes. */
const CLOSING = [
  "create certificate-policy",
  "create certificate-policy-binding",
  "create route-policy",
  "create route-policy-binding",
  "update issuer",
  "update istio-istiod",
  "update secret-store",
  "update tls-gateway",
];

it("is refused while others are served: what they have is named, each with what to do", async () => {
  const { refusal = "" } = await previewOf();
  const told = refusal.split("\n").map((line) => line.trim());
  const at = told.findIndex((line) => line.startsWith("error: Preview failed: before hook"));
  // What the world's attackers have got meanwhile, of whom one has a service of the platform's in its namespace.
  const unsigned = (at: string) =>
    `Certificate ${at}/stolen-by-cluster-issuer-letsencrypt: ClusterIssuer cluster-issuer-letsencrypt is the platform's and does not sign for namespace ${at}. Use an issuer of your own, or have whoever runs the platform add ${at} to tenancy.certificates`;
  const unserved = (at: string) =>
    `ExternalSecret ${at}/stolen: ClusterSecretStore vault-backend is the platform's and does not serve namespace ${at}. Use a store of your own, or have whoever runs the platform add ${at} to tenancy.secrets`;
  const stranded = (at: string) =>
    `Gateway ${at}/stolen: it selects pods of namespace istio-system, which istiod keeps to the Gateways of their own namespace. Use a gateway of namespace ${at}, or have whoever runs the platform open tenancy.routes to all`;
  const notGiven = (at: string) =>
    `VirtualService ${at}/stolen: * is not for namespace ${at}: on this Gateway every host below cluster.example.com is the platform's, and services gives this one to nobody. Have whoever runs the platform add an entry to services, or ${at} to tenancy.routes`;
  const taken = (at: string, owner: string) =>
    `VirtualService ${at}/stolen-host: ${owner}.cluster.example.com is not for namespace ${at}: services gives it to namespace ${owner}. Take another host, or have whoever runs the platform change its entry in services`;
  const both = (say: (at: string) => string) => [say("argocd"), say("evil")];
  expect(told.slice(at, at + 11)).toEqual([
    expect.stringMatching(
      /before hook .*keep-serving.* failed: 10 object\(s\) of others would be refused or go dark from then on\. Do for each what it says, or delete it:$/,
    ),
    ...[...both(unsigned), ...both(unserved), ...both(stranded)],
    ...[notGiven("argocd"), taken("argocd", "vault"), notGiven("evil")],
    // It takes the host that was there first, which latencies decide.
    expect.toBeOneOf([taken("evil", "argocd"), taken("evil", "vault")]),
  ]);
});

it("is stopped by each door for itself", async () => {
  const { routes, certificates, secrets } = OPEN.tenancy;
  const stops = async (tenancy: object) =>
    /before hook .*keep-serving.* failed/.test((await previewOf({ tenancy })).refusal ?? "");
  expect(await stops({ certificates, secrets })).toBe(true);
  expect(await stops({ routes, secrets })).toBe(true);
  expect(await stops({ routes, certificates })).toBe(true);
  const both = ["argocd", "evil"];
  expect(await stops({ routes, certificates: both, secrets: both })).toBe(false);
});

it("warns, and refuses nothing, where the cluster does not say", async () => {
  await serverIs(`http://127.0.0.1:${await closedPort()}`);
  const { refusal, warnings } = await previewOf();
  await serverIs(server);
  expect(refusal).toBe(undefined);
  expect(warnings).toEqual([
    expect.stringMatching(
      /^this run may cut what others are served, and whom it would cut cannot be seen: .*ECONNREFUSED.*\. npm run doctor names them, where it may look/,
    ),
  ]);
});

it("has touched nothing by then", async () => {
  expect((await previewOf(OPEN)).changes).toEqual([]);
});

it("goes on when nobody is cut", async () => {
  await sandbox.cloud.visit((world) => {
    for (const kind of ["Certificate", "ExternalSecret", "Gateway", "VirtualService"])
      for (const key of world.items(kind).map(keyOf).filter(isStolen)) world.remove(key);
  });
  const { changes, ...said } = await previewOf();
  expect(said).toEqual({ refusal: undefined, warnings: [] });
  expect(changes).toEqual(CLOSING);
});
