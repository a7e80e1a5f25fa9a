import type * as pulumi from "@pulumi/pulumi";
import { vi } from "vitest";
import { willingCloud } from "../sandbox/replay.ts";
import { readStack } from "../sandbox/stack.ts";
import { addressOf, emptyWorld, examples, type State, sha256, World } from "../sandbox/world.ts";
import { type Registration, record } from "../tools/record.ts";

/** Settings to change, by key below `oke-platform:`; undefined removes one. */
export type Changes = Readonly<Record<string, unknown>>;

/** Secrets to set, by key below `oke-platform:`. */
export type Secrets = Readonly<Record<string, string>>;

/** What the program registers for a stack, with the values that the clouds would give. */
export async function registrationsOf(
  stack: string,
  changes: Changes = {},
  secrets: Secrets = {},
  cloud: pulumi.runtime.Mocks = willingCloud(),
): Promise<Registration[]> {
  const { values, secrets: secretKeys } = await readStack(stack);
  for (const [key, value] of Object.entries({ ...changes, ...secrets })) {
    if (value === undefined) delete values[`oke-platform:${key}`];
    else values[`oke-platform:${key}`] = typeof value === "string" ? value : JSON.stringify(value);
  }
  const config = { values, secrets: [...secretKeys, ...Object.keys(secrets).map((key) => `oke-platform:${key}`)] };
  // Imported afresh: the program's top level is what is recorded.
  vi.resetModules();
  return record(() => import("../index.ts"), stack, config, cloud);
}

/** The resource of a name, of the providers' where a component has the same. */
export function named(registrations: Registration[], name: string): Registration {
  const found = registrations.filter((registration) => registration.name === name);
  const one = found.find((registration) => registration.custom) ?? found[0];
  if (one === undefined)
    throw new Error(`no resource is named ${name}; there are ${registrations.map((r) => r.name).join(", ")}`);
  return one;
}

/** A reserved IP that is there before the program is. */
const ADOPTED = "ocid1.publicip.oc1.eu-frankfurt-1.aaaaadopted";

/** Stacks that together use every way of setting the program up. */
export const variants: {
  name: string;
  stack: string;
  changes?: Changes;
  secrets?: Secrets;
  /** The world to begin with. @default - an empty one */
  worldOf?: (seed?: number) => State;
}[] = [
  { name: "prod", stack: "prod" },
  { name: "lab", stack: "lab" },
  { name: "rules NSG", stack: "prod", changes: { loadBalancer: loadBalancer({ rules: "NSG" }) } },
  { name: "internal", stack: "prod", changes: { loadBalancer: loadBalancer({ internal: true }) } },
  {
    name: "an adopted IP",
    stack: "prod",
    changes: { loadBalancer: loadBalancer({ reservedIp: ADOPTED }) },
    worldOf: withReservedIp,
  },
  {
    name: "a supplied token",
    stack: "prod",
    changes: { cloudflare: { token: "supplied" } },
    secrets: { cloudflareApiToken: "the-supplied-token" },
    worldOf: withToken,
  },
  { name: "a rotated token", stack: "prod", changes: { cloudflare: { tokenSerial: 3 } } },
  {
    name: "External Secrets already there",
    stack: "prod",
    changes: { externalSecrets: { install: false } },
    worldOf: withExternalSecrets,
  },
  {
    name: "no cloud at all",
    stack: "prod",
    changes: {
      cluster: { context: "kind-kind" },
      loadBalancer: undefined,
      vault: undefined,
      cloudflare: { token: "none" },
      acme: { server: "ca" },
    },
  },
  {
    name: "k3s with DNS-01",
    stack: "lab",
    changes: { cluster: { context: "k3s" }, loadBalancer: undefined, gateway: { serviceType: "LoadBalancer" } },
  },
];

function loadBalancer(changes: Record<string, unknown>) {
  return {
    compartmentId: examples["<compartment OCID>"],
    vcnId: examples["<VCN OCID>"],
    nodeNsgId: examples["<node NSG OCID>"],
    rules: "None",
    ...changes,
  };
}

function withReservedIp(seed?: number): State {
  const world = new World(emptyWorld(seed));
  world.put({ kind: "PublicIp", name: "adopted", spec: {} }, ADOPTED).status.ipAddress = addressOf("adopted");
  return world.state;
}

/** A world in which the operator has made the token. */
function withToken(seed?: number): State {
  const world = new World(emptyWorld(seed));
  const zones = world.items("Zone").map(({ id }) => id);
  const spec = { valueHash: sha256("the-supplied-token"), zones, permissions: ["DNS Write", "Zone Read"] };
  world.put({ kind: "ApiToken", name: "the operator's", spec });
  return world.state;
}

/** A world in which somebody else runs External Secrets. */
function withExternalSecrets(seed?: number): State {
  const world = new World(emptyWorld(seed));
  world.put({ kind: "Namespace", name: "external-secrets", spec: {} });
  const release = {
    kind: "Release",
    namespace: "external-secrets",
    name: "external-secrets",
    spec: { chart: "external-secrets" },
  };
  world.put(release).status.installed = true;
  world.state.definitions.push("external-secrets.io");
  return world.state;
}
