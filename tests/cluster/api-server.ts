import { spawn } from "node:child_process";
import { once } from "node:events";
import { request } from "node:https";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { KubeConfig } from "@kubernetes/client-node";
import { findEtcd, findKubeApiserver } from "./binaries.ts";
import type { Kept } from "./keeper.ts";

// A real API server with etcd behind it: it admits, refuses, stores and finds as a cluster does. There are no nodes and
// no controllers: nothing becomes Ready by itself, and a namespace that is deleted stays Terminating.

/** An object, or a part of one, as the API server takes it. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly [field: string]: unknown;
}

/** How a manifest is applied. */
interface ApplyOptions {
  /** Who writes, as the object's `managedFields` then say. @default "test" */
  readonly manager?: string;
  /** Asks for the answer alone; nothing is stored. @default false */
  readonly dryRun?: boolean;
  /** Writes only this part of the object. @default - all but its status */
  readonly subresource?: "status";
}

/** An API server of one test file. */
export interface ApiServer {
  /** A way in, for everything, or for a user without any rights but those that the test gives. */
  kubeConfig(user?: string): KubeConfig;
  /**
   * Applies a manifest server-side, as Pulumi's provider does, with fields that its kind does not know refused.
   *
   * @throws {Refusal} when the API server refuses it
   */
  apply(manifest: Manifest, options?: ApplyOptions): Promise<Manifest>;
  /**
   * Asks what the API server would warn of, and stores nothing.
   *
   * @throws {Refusal} when it refuses it
   */
  warningsOf(manifest: Manifest): Promise<string[]>;
  /** Gets, or does whatever else, at a path. @throws {Refusal} */
  call(
    method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE",
    path: string,
    body?: unknown,
    contentType?: string,
  ): Promise<unknown>;
  /** Ends it, and removes what it stored. */
  stop(): Promise<void>;
}

/** The API server has refused, in its own words. */
export class Refusal extends Error {
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

/**
 * Starts an API server on free ports, with RBAC, the usual admission and an etcd of its own. It ends with this process,
 * however that ends.
 *
 * @throws when there is no kube-apiserver or etcd, or it does not become ready
 */
export async function startApiServer(): Promise<ApiServer> {
  const kubeApiserver = await findKubeApiserver();
  const etcd = await findEtcd();
  const keeper = spawn(process.execPath, [join(import.meta.dirname, "keeper.ts"), etcd.path, kubeApiserver.path], {
    stdio: ["pipe", "pipe", "pipe"],
    detached: true,
  });
  const reason = text(keeper.stderr);
  const ended = once(keeper, "exit");
  const [line] = await Promise.race([
    once(createInterface(keeper.stdout), "line"),
    ended.then(async () => {
      throw new Error(`No API server: ${(await reason).trim()}`);
    }),
  ]);
  const { server, ca, token } = JSON.parse(String(line)) as Kept;

  const send = async (...[method, path, body, contentType = "application/json"]: Parameters<ApiServer["call"]>) => {
    const headers = { authorization: `Bearer ${token}`, "content-type": contentType, accept: "application/json" };
    const sent = request(`${server}${path}`, { method, ca, headers });
    sent.end(body === undefined ? undefined : JSON.stringify(body));
    const [response] = await once(sent, "response");
    const answer = await text(response);
    if (response.statusCode < 300)
      return { body: JSON.parse(answer) as unknown, warnings: [response.headers.warning ?? []].flat() as string[] };
    // A path that is not served is refused in plain words, all else by a Status.
    const isStatus = String(response.headers["content-type"]).startsWith("application/json");
    throw new Refusal(response.statusCode, isStatus ? JSON.parse(answer).message : answer.trim());
  };

  const call: ApiServer["call"] = async (...asked) => (await send(...asked)).body;

  const plurals = new Map<string, string>();
  const pathOf = async ({ apiVersion, kind, metadata: { name, namespace } }: Manifest) => {
    const group = apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
    if (!plurals.has(`${apiVersion} ${kind}`)) {
      const { resources } = (await call("GET", group)) as { resources: { kind: string; name: string }[] };
      for (const resource of resources)
        if (!resource.name.includes("/")) plurals.set(`${apiVersion} ${resource.kind}`, resource.name);
    }
    const plural = plurals.get(`${apiVersion} ${kind}`);
    if (plural === undefined) throw new Error(`the API server knows no ${kind} of ${apiVersion}`);
    return `${group}${namespace === undefined ? "" : `/namespaces/${namespace}`}/${plural}/${name}`;
  };

  return {
    kubeConfig(user) {
      const config = new KubeConfig();
      const caData = Buffer.from(ca).toString("base64");
      config.loadFromClusterAndUser(
        { name: "api-server", server, caData, skipTLSVerify: false },
        { name: "administrator", token, impersonateUser: user },
      );
      return config;
    },
    call,
    async warningsOf(manifest) {
      const path = `${await pathOf(manifest)}?fieldManager=test&dryRun=All`;
      return (await send("PATCH", path, manifest, "application/apply-patch+yaml")).warnings;
    },
    async apply(manifest, { manager = "test", dryRun = false, subresource } = {}) {
      const query = new URLSearchParams({ fieldManager: manager, fieldValidation: "Strict", force: "true" });
      if (dryRun) query.set("dryRun", "All");
      const path = await pathOf(manifest);
      const place = subresource === undefined ? path : `${path}/${subresource}`;
      return (await call("PATCH", `${place}?${query}`, manifest, "application/apply-patch+yaml")) as Manifest;
    },
    async stop() {
      keeper.stdin.end();
      await ended;
    },
  };
}
