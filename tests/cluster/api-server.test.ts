import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { type ApiServer, startApiServer } from "./api-server.ts";

// That an API server of the tests is a cluster's, and that nothing is left of it.

let server: ApiServer;
let directory: string;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "api-server-test-"));
  server = await startApiServer();
});

afterAll(async () => {
  await server?.stop();
  rmSync(directory, { recursive: true, force: true });
});

/** A process that starts an API server and does nothing more, with a place of its own for temporary files. */
function other(name: string, env: NodeJS.ProcessEnv = {}) {
  const temporary = join(directory, name);
  mkdirSync(temporary);
  const program = `import { startApiServer } from ${JSON.stringify(join(import.meta.dirname, "api-server.ts"))};
    const server = await startApiServer();
    console.log(server.kubeConfig().getCurrentCluster().server);`;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", program], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...env, TMPDIR: temporary },
  });
  return { child, temporary };
}

const answers = (url: string) =>
  fetch(url).then(
    () => true,
    (error) => (error.cause as NodeJS.ErrnoException).code !== "ECONNREFUSED",
  );

it("knows who asks, and lets nobody else in", async () => {
  const rights = (user: string) =>
    server.call("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", {
      apiVersion: "authorization.k8s.io/v1",
      kind: "SubjectAccessReview",
      spec: { user, resourceAttributes: { verb: "list", resource: "secrets" } },
    });
  expect(await rights("guest")).toMatchObject({ status: { allowed: false } });
  expect(await server.call("GET", "/apis/rbac.authorization.k8s.io/v1/clusterroles/cluster-admin")).toMatchObject({
    kind: "ClusterRole",
  });
  await expect(server.call("GET", "/api/v1/namespaces/nowhere")).rejects.toThrow('namespaces "nowhere" not found');
});

it("ends with the process that started it, killed as it may be", { timeout: 180_000 }, async () => {
  const { child, temporary } = other("killed");
  const [line] = await once(child.stdout, "data");
  const url = String(line).trim();
  expect(await answers(url)).toBe(true);
  expect(readdirSync(temporary)).toHaveLength(1);
  child.kill("SIGKILL");
  await vi.waitFor(() => expect(readdirSync(temporary)).toEqual([]), { timeout: 20_000 });
  expect(await answers(url)).toBe(false);
});

it("says why it cannot be ready, and leaves nothing", async () => {
  const bin = join(directory, "bin");
  mkdirSync(bin);
  const body = `#!/bin/sh\n[ "$1" = --version ] && exec echo Kubernetes v1.34.99\necho no such flag >&2\nexit 3\n`;
  writeFileSync(join(bin, "kube-apiserver"), body, { mode: 0o755 });
  const { child, temporary } = other("broken", { PATH: [bin, process.env.PATH].join(delimiter) });
  const [said] = await Promise.all([text(child.stderr), once(child, "exit")]);
  expect(said).toContain(`No API server: ${join(bin, "kube-apiserver")} has ended with 3:\nno such flag`);
  expect(child.exitCode).toBe(1);
  expect(readdirSync(temporary)).toEqual([]);
});
