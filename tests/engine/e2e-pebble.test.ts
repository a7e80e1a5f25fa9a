import { spawn } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { Agent } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { crypto as acme, axios, Client } from "acme-client";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type StandIn, startStandIn } from "../e2e/cloudflare.ts";
import { PEBBLE_ENV, pebbleConfig, TLS_NAMES } from "../e2e/fixtures.ts";
import { closedPort } from "../loopback.ts";
import { type Issuer, issue, newIssuer } from "../pki.ts";
import { findPebble } from "./pebble.ts";

// The stand-ins with each other, without a cluster: Pebble, set up as in the cluster, validates what is written through
// the API of Cloudflare's stand-in. An ACME client does what cert-manager does.

const ZONE = "platform.test";
const HOSTS = ["*.cluster.platform.test", "cluster.platform.test"];
const TOKEN = "0123456789abcdef0123456789abcdef01234567";

const binary = await findPebble();

describe("Pebble and Cloudflare's stand-in", () => {
  const closings: (() => Promise<unknown>)[] = [];
  let issuer: Issuer;
  let standIn: StandIn;
  let directoryUrl: string;
  let agent: Agent;

  beforeAll(async () => {
    issuer = await newIssuer("e2e");
    const tls = await issue(issuer, [...TLS_NAMES, "localhost"]);
    standIn = await startStandIn({ zone: ZONE, token: TOKEN, tls });
    closings.unshift(() => standIn.close());
    const directory = await mkdtemp(join(tmpdir(), "oke-platform-e2e-"));
    closings.unshift(() => rm(directory, { recursive: true }));
    const [certificate, privateKey, file] = ["tls.crt", "tls.key", "config.json"].map((it) => join(directory, it)) as [
      string,
      string,
      string,
    ];
    const ports = { acme: await closedPort(), management: await closedPort() };
    await writeFile(certificate, tls.cert);
    await writeFile(privateKey, tls.key);
    await writeFile(file, JSON.stringify(pebbleConfig({ ...ports, host: "127.0.0.1", certificate, privateKey })));
    const child = spawn(binary ?? "", ["-config", file, "-dnsserver", `127.0.0.1:${standIn.ports.dns}`], {
      stdio: ["ignore", "pipe", "inherit"],
      env: { ...process.env, ...PEBBLE_ENV },
    });
    const ended = once(child, "exit");
    closings.unshift(async () => {
      child.kill();
      await ended;
    });
    // It says so before it listens, but after all that could fail.
    for await (const line of createInterface(child.stdout)) if (line.includes("ACME directory available at")) break;
    child.stdout.resume();
    agent = new Agent({ ca: issuer.root });
    axios.defaults.httpsAgent = agent;
    directoryUrl = `https://localhost:${ports.acme}/dir`;
  });
  afterAll(async () => {
    for (const close of closings) await close();
  });

  /** A call to the API over HTTPS, under Cloudflare's name. */
  const api = async (method: string, path: string, data?: object) => {
    const url = `https://127.0.0.1:${standIn.ports.https}/client/v4${path}`;
    const httpsAgent = new Agent({ ca: issuer.root, servername: "api.cloudflare.com" });
    return (await axios.request({ method, url, data, httpsAgent, headers: { authorization: `Bearer ${TOKEN}` } })).data;
  };
  const records = `/zones/e2e0000000000000000000000000000e/dns_records`;

  async function order(write: (name: string, content: string) => Promise<unknown>): Promise<X509Certificate> {
    const accountKey = await acme.createPrivateEcdsaKey();
    const client = new Client({ directoryUrl, accountKey, backoffMin: 50, backoffMax: 500 });
    const [, csr] = await acme.createCsr({ altNames: HOSTS }, await acme.createPrivateEcdsaKey());
    const pem = await client.auto({
      csr,
      email: "platform@example.com",
      termsOfServiceAgreed: true,
      skipChallengeVerification: true,
      challengePriority: ["dns-01"],
      challengeCreateFn: ({ identifier }, _challenge, content) => write(`_acme-challenge.${identifier.value}`, content),
      challengeRemoveFn: async (_authorization, _challenge, content) => {
        const { result } = await api("GET", `${records}?content=${content}`);
        for (const { id } of result) await api("DELETE", `${records}/${id}`);
      },
    });
    return new X509Certificate(pem);
  }

  it("issue for wildcard and base name what was written through the API", async () => {
    const leaf = await order((name, content) => api("POST", records, { type: "TXT", name, content, ttl: 60 }));
    expect(leaf.subjectAltName?.split(", ").sort()).toEqual(HOSTS.map((host) => `DNS:${host}`).sort());
    expect((await api("GET", records)).result).toEqual([]);
  });

  it("issue nothing for another content", async () => {
    const wrong = order((name) =>
      api("POST", records, { type: "TXT", name, content: `wrong ${Math.random()}`, ttl: 60 }),
    );
    await expect(wrong).rejects.toThrow("Correct value not found for DNS challenge");
  });
});
