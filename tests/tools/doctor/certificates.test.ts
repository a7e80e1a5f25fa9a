import { afterEach, describe, expect, it } from "vitest";
import { certificateBudget, examineBudget } from "../../../tools/doctor/certificates.ts";
import { examineCluster } from "../../../tools/doctor/cluster.ts";
import { closeAll } from "../../loopback.ts";
import { type Logs, logged, startLogs } from "./certificate-logs.ts";
import { kubeConfigFor, runningCluster, startCluster } from "./cluster-stand-in.ts";
import { examination, nothing, running, told, wholeStack } from "./examination.ts";

afterEach(closeAll);

const TODAY = new Date("2026-11-23T20:00:00Z");
const BASE = "cluster.example.com";
const HOSTS = [`*.${BASE}`, BASE];

describe("certificateBudget", () => {
  const count = async (logs: Logs, hosts = HOSTS) => {
    const search = { url: await startLogs(logs), timeoutMs: 20_000 };
    return certificateBudget({ baseDomain: BASE, hosts }, TODAY, search);
  };

  it("counts a certificate once, whatever the order of its names", async () => {
    const entries = [
      ...logged("0a", "2026-11-20T10:00:00.123", HOSTS),
      ...logged("0b", "2026-11-21T10:00:00.123", [...HOSTS].reverse()),
    ];
    expect(await count(entries)).toEqual({ sameNames: 2, any: 2 });
  });

  it("counts the last seven days, to the second, in UTC", async () => {
    const { TZ } = process.env;
    process.env.TZ = "America/New_York";
    expect(new Date().getTimezoneOffset()).not.toBe(0);
    const entries = [
      ...logged("0a", "2026-11-16T19:59:59", HOSTS),
      ...logged("0b", "2026-11-16T20:00:01", HOSTS),
      ...logged("0c", "2026-11-23T19:59:59", HOSTS),
    ];
    try {
      expect(await count(entries)).toEqual({ sameNames: 2, any: 2 });
    } finally {
      if (TZ === undefined) delete process.env.TZ;
      else process.env.TZ = TZ;
    }
  });

  it("leaves out other issuers, and names that only end alike", async () => {
    const entries = [
      ...logged("0a", "2026-11-20T10:00:00", HOSTS, "C=US, O=DigiCert Inc, CN=DigiCert G2"),
      ...logged("0b", "2026-11-20T10:00:00", ["mycluster.example.com"]),
    ];
    expect(await count(entries)).toEqual({ sameNames: 0, any: 0 });
  });

  it("tells other name sets apart", async () => {
    const entries = [
      ...logged("0a", "2026-11-20T10:00:00", [BASE]),
      ...logged("0b", "2026-11-20T10:00:00", [...HOSTS, "a.b.cluster.example.com"]),
      ...logged("0c", "2026-11-20T10:00:00", HOSTS),
    ];
    expect(await count(entries)).toEqual({ sameNames: 1, any: 3 });
    expect(await count(entries, [BASE])).toEqual({ sameNames: 1, any: 3 });
  });

  it("fails when the search does not answer with a list", async () => {
    await expect(count("overloaded")).rejects.toThrow("the log search answers 502, and no list");
  });
});

describe("Let's Encrypt's limits", () => {
  const issued = (count: number, names = HOSTS) =>
    Array.from({ length: count }, (_, at) => logged(`0${at}a`, `2026-11-2${at % 3}T10:00:00.123`, names)).flat();
  const wait = "wait, or work with acme.server staging; one more is allowed every 34 hours";
  const same = (count: number) => `${count} certificate(s) for *.${BASE} and ${BASE} in seven days, of 5`;

  it.each([
    ["two certificates for the same names", issued(2), `ok: ${same(2)}`],
    ["three", issued(3), `warning: ${same(3)} → ${wait}`],
    ["five", issued(5), `problem: ${same(5)} → ${wait}`],
    ["49 below the domain", issued(49, [`shop.${BASE}`]), `ok: ${same(0)}`],
    [
      "fifty below the domain",
      issued(50, [`shop.${BASE}`]),
      `problem: 50 certificates below ${BASE} in seven days; a registered domain gets 50 → wait: one more is allowed every 202 minutes`,
    ],
    [
      "a search that is overloaded",
      "overloaded",
      "skipped: could not be asked: the log search answers 502, and no list",
    ],
  ] as const)("are compared with %s", async (_, logs, line) => {
    const outcome = await examineBudget(
      examination(wholeStack()),
      TODAY,
      await startLogs(logs),
      Promise.resolve(nothing),
    );
    expect(told([outcome])).toEqual({ "certificates: Let's Encrypt's limits": line });
  });

  it("do not keep an up from the certificate that is there", async () => {
    const kept = "keep Secret cert-manager/cert-manager-tls-wildcard-cluster, which the next up uses again";
    const outcome = await examineBudget(
      examination(wholeStack()),
      TODAY,
      await startLogs(issued(5)),
      Promise.resolve(running),
    );
    expect(told([outcome])).toEqual({
      "certificates: Let's Encrypt's limits": `warning: ${same(5)} → ${kept}; one more is allowed every 34 hours`,
    });
  });

  it.each([
    { server: "staging", email: "a@example.com" },
    { server: "https://acme.example.org/directory", email: "a@example.com" },
  ])("do not apply to $server", async (acme) => {
    const outcome = await examineBudget(
      examination({ ...wholeStack(), acme }),
      TODAY,
      "http://127.0.0.1:1",
      Promise.resolve(undefined),
    );
    expect(told([outcome])).toEqual({
      "certificates: Let's Encrypt's limits": "skipped: acme.server is not production",
    });
  });
});

describe("the certificate that is there", () => {
  /** What is found in a cluster where the platform runs, its Certificate with this private key. */
  async function found(raw: object, privateKey?: object) {
    const state = { ...runningCluster(), ...(privateKey && { privateKey }) };
    const kubeConfig = kubeConfigFor(await startCluster(state));
    return (await examineCluster(examination({ ...wholeStack(), ...raw }), async () => kubeConfig)).installed;
  }

  it("is used again only of the issuer that the settings name", async () => {
    const staging = { acme: { email: "a@example.com", server: "staging" } };
    expect(await found(staging)).toEqual({ ...running, account: null, hasCertificate: false });
  });

  it.each([
    ["of cert-manager's own choice", {}, false],
    ["of another size", { algorithm: "ECDSA", size: 384 }, false],
    ["that the settings name", { algorithm: "ECDSA", size: 256 }, true],
  ])("is used again with a key %s, or not", async (_, privateKey, hasCertificate) => {
    expect(await found({}, privateKey)).toEqual({ ...running, hasCertificate });
  });
});
