import { type ChildProcess, spawn } from "node:child_process";
import { generateKeyPairSync, randomUUID } from "node:crypto";
import { once } from "node:events";
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { get } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { freePorts } from "../ports.ts";

// A process that keeps an API server and its etcd for as long as its standard input is open: the system closes that
// when whoever started it ends, however it ends, and so nothing is left of a test that was killed. It runs in a process
// group of its own, which a Ctrl-C does not reach.
//
// Arguments: the executables of etcd and kube-apiserver. When all is ready it prints one line of JSON, `Kept`; when it
// cannot be, it ends with 1 and says why.

/** What the API server is reached with. */
export interface Kept {
  /** URL of the API server. */
  readonly server: string;
  /** PEM of the CA that signed its certificate. */
  readonly ca: string;
  /** Bearer token of a user who may do everything. */
  readonly token: string;
}

/** Seconds until it is ready, on a machine that does much else. */
const READY_SECONDS = 120;

const [etcd = "", kubeApiserver = ""] = process.argv.slice(2);
const directory = mkdtempSync(join(tmpdir(), "api-server-"));
const children: ChildProcess[] = [];

let isEnding = false;

function end(code: number): void {
  if (isEnding) return;
  isEnding = true;
  // Not SIGTERM, on which an API server waits for its clients: nothing here is to be kept.
  for (const child of children) child.kill("SIGKILL");
  const running = children.filter(({ pid, exitCode, signalCode }) => pid && exitCode === null && signalCode === null);
  void Promise.all(running.map((child) => once(child, "exit"))).then(() => {
    rmSync(directory, { recursive: true, force: true });
    process.exit(code);
  });
}

function start(executable: string, args: Readonly<Record<string, string | number | boolean>>): void {
  const log = join(directory, `log-${children.length}`);
  const file = openSync(log, "w");
  const child = spawn(
    executable,
    Object.entries(args).map(([name, value]) => `--${name}=${value}`),
    { cwd: directory, stdio: ["ignore", file, file] },
  );
  closeSync(file);
  children.push(child);
  child.on("error", (error) => fail(`${executable} cannot be started: ${error.message}`));
  child.on("exit", (code, signal) => {
    if (isEnding) return;
    fail(
      `${executable} has ended with ${code ?? signal}:\n${readFileSync(log, "utf8").split("\n").slice(-20).join("\n")}`,
    );
  });
}

function fail(reason: string): void {
  if (isEnding) return;
  process.stderr.write(`${reason}\n`);
  end(1);
}

/** What its /readyz answers; undefined when it does not. */
async function readiness(server: string, ca: string): Promise<number | undefined> {
  try {
    const [response] = await once(get(`${server}/readyz`, { ca, agent: false }), "response");
    response.resume();
    return response.statusCode;
  } catch {
    return undefined;
  }
}

async function keep(): Promise<Kept> {
  const [client = 0, peer = 0, secure = 0] = await freePorts(3);
  const keys = generateKeyPairSync("rsa", {
    modulusLength: 2048,
    publicKeyEncoding: { type: "spki", format: "pem" },
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
  });
  const token = randomUUID();
  writeFileSync(join(directory, "service-account.pub"), keys.publicKey);
  writeFileSync(join(directory, "service-account.key"), keys.privateKey);
  writeFileSync(join(directory, "tokens.csv"), `${token},administrator,administrator,system:masters\n`);

  const etcdUrl = `http://127.0.0.1:${client}`;
  start(etcd, {
    "data-dir": join(directory, "etcd"),
    "listen-client-urls": etcdUrl,
    "advertise-client-urls": etcdUrl,
    "listen-peer-urls": `http://127.0.0.1:${peer}`,
    // Nothing here is to outlive a power failure.
    "unsafe-no-fsync": true,
  });
  start(kubeApiserver, {
    "etcd-servers": etcdUrl,
    "bind-address": "127.0.0.1",
    "advertise-address": "127.0.0.1",
    "secure-port": secure,
    "cert-dir": directory,
    "service-cluster-ip-range": "10.0.0.0/24",
    "service-account-issuer": "https://kubernetes.default.svc",
    "service-account-key-file": join(directory, "service-account.pub"),
    "service-account-signing-key-file": join(directory, "service-account.key"),
    "token-auth-file": join(directory, "tokens.csv"),
    "authorization-mode": "RBAC",
    // No pod is there to reach it by the Service kubernetes, and that Service takes no loopback address.
    "endpoint-reconciler-type": "none",
  });

  // The API server writes it, followed by the CA that signed it, before it listens.
  const certificate = join(directory, "apiserver.crt");
  const server = `https://127.0.0.1:${secure}`;
  const deadline = Date.now() + READY_SECONDS * 1000;
  while (Date.now() < deadline) {
    if (existsSync(certificate)) {
      const ca = readFileSync(certificate, "utf8");
      if ((await readiness(server, ca)) === 200) return { server, ca, token };
    }
    await pause(50);
  }
  throw new Error(`the API server is not ready within ${READY_SECONDS} s`);
}

process.stdin.resume();
process.stdin.on("end", () => end(0));
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => end(0));
keep().then(
  (kept) => process.stdout.write(`${JSON.stringify(kept)}\n`),
  (error) => fail(String(error)),
);
