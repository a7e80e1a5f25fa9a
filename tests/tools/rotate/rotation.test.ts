import type { KubeConfig } from "@kubernetes/client-node";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { proofText, type RotateOptions, rotate } from "../../../tools/rotate/rotation.ts";
import { FakePulumi } from "../fake-pulumi.ts";
import { answeredWith, NOES } from "../terminal.ts";
import { VaultCluster } from "../vault-cluster.ts";
import { ExternalSecrets, SECRET } from "./external-secrets.ts";

const SERIAL = "oke-platform:cloudflare.tokenSerial";
/** Far more than a busy machine takes. */
const AMPLE = { timeout: 20_000 };

let cluster: VaultCluster;
let kubeConfig: KubeConfig;
let externalSecrets: ExternalSecrets;
let pulumi: Pulumi;
let lines: string[];

beforeEach(async () => {
  cluster = new VaultCluster();
  kubeConfig = await cluster.start();
  externalSecrets = new ExternalSecrets(cluster);
  pulumi = new Pulumi();
  pulumi.serial = 3;
  lines = [];
});
afterEach(() => cluster.stop());

const sync = (version: number | undefined, at?: string) => externalSecrets.sync(version, at);

/** A Pulumi CLI whose `up` writes the next version to Vault, and whose cluster follows. */
class Pulumi extends FakePulumi {
  override outputs: { tokenSerial: number | null; kvVersion: string | null } = { tokenSerial: 3, kvVersion: "7" };
  override up = () => {
    this.done();
    sync(Number(this.outputs.kvVersion), "2026-11-23T22:00:00Z");
    return 0;
  };

  /** Undefined: the stack leaves it to its default. */
  get serial(): number | undefined {
    const text = this.config.get(SERIAL);
    return text === undefined ? undefined : Number(text);
  }

  set serial(serial: number | undefined) {
    if (serial === undefined) this.config.delete(SERIAL);
    else this.config.set(SERIAL, String(serial));
  }

  done() {
    this.outputs = { tokenSerial: this.serial ?? 1, kvVersion: String(Number(this.outputs.kvVersion) + 1) };
  }
}

const run = (changes: Partial<RotateOptions> = {}) =>
  rotate({
    stack: "prod",
    token: "scoped",
    pulumi,
    kubeConfig,
    approve: async () => true,
    log: (line) => lines.push(line),
    ...changes,
  });

describe("a rotation", () => {
  it("raises the serial, previews, runs, and proves that the cluster holds the new token", async () => {
    sync(7);
    const before = externalSecrets.revision;
    const rotation = await run();
    expect(pulumi.changing()).toEqual([
      `config set --path ${SERIAL} 4 --stack prod`,
      "preview --stack prod",
      "up --yes --skip-preview --stack prod",
    ]);
    expect(rotation && proofText(rotation)).toBe(
      [
        "serial           3 -> 4",
        "Vault's version  7 -> 8",
        `Secret           cert-manager/cloudflare-token-secret holds version 8, resourceVersion ${before} -> ${before + 1}`,
        "synced           2026-11-23T22:00:00Z",
        "The token with serial 3 is valid until the next rotation.",
      ].join("\n"),
    );
  });

  it("never asks the cluster for the token", async () => {
    sync(7);
    await run();
    const asked = cluster.requests.filter((request) => request.includes("/secrets"));
    expect(asked.length).toBeGreaterThan(1);
    for (const request of asked) expect(request).toContain("as=PartialObjectMetadata;");
  });

  it("waits for External Secrets", async () => {
    sync(7);
    pulumi.up = () => {
      pulumi.done();
      return 0;
    };
    const running = run();
    // The watch is there before anything comes.
    await expect.poll(() => cluster.requests.some((it) => it.includes("/externalsecrets ")), AMPLE).toBe(true);
    sync(8, "2026-11-23T21:31:00Z");
    expect(await running).toMatchObject({ versions: [7, 8], syncedAt: "2026-11-23T21:31:00Z" });
  });

  it("fails when the new token does not arrive, with what External Secrets says", async () => {
    sync(7);
    pulumi.up = () => {
      pulumi.done();
      return 0;
    };
    await expect(run({ arrivalSeconds: 0.3 })).rejects.toThrow(
      "version 8 has not reached Secret cert-manager/cloudflare-token-secret within 0.3 s; External Secrets says: secret synced",
    );
    // Another one would delete the token that the cluster holds.
    pulumi.calls.length = 0;
    await expect(run()).rejects.toThrow(
      /the token with serial 4 has not reached the cluster: .* holds version 7, and Vault has version 8/,
    );
    expect(pulumi.changing()).toEqual([]);
  });

  it("begins with serial 1 where the stack leaves it to the default", async () => {
    sync(7);
    pulumi.serial = undefined;
    pulumi.outputs.tokenSerial = 1;
    expect(await run()).toMatchObject({ serials: [1, 2] });
  });

  it("goes on with one that was stopped, without raising again", async () => {
    sync(7);
    const up = pulumi.up;
    pulumi.up = () => 255;
    await expect(run()).rejects.toThrow("it goes on with serial 4");
    expect(pulumi.serial).toBe(4);
    // The stopped run has come as far as the cluster.
    sync(8);
    pulumi.outputs.kvVersion = "7";
    pulumi.up = up;
    pulumi.calls.length = 0;
    expect(await run()).toMatchObject({ serials: [3, 4], versions: [7, 8] });
    expect(pulumi.changing()).toEqual(["preview --stack prod", "up --yes --skip-preview --stack prod"]);
    expect(lines).toContain("an earlier rotation from serial 3 to 4 was stopped; this goes on with it");
  });

  it.each<[string, () => void, RegExp]>([
    [
      "the serial was raised by two",
      () => {
        pulumi.serial = 5;
      },
      /tokenSerial is 5, and the last up was with 3; allowed: 3, or 4.*tokenSerial 3 --stack prod/s,
    ],
    [
      "the serial was lowered",
      () => {
        pulumi.serial = 2;
      },
      /tokenSerial is 2, and the last up was with 3/,
    ],
    [
      "the last token has not arrived",
      () => sync(6),
      /serial 3 has not reached the cluster: Secret .* holds version 6, and Vault has version 7/,
    ],
    [
      "an interrupted one follows a token that has not arrived",
      () => {
        pulumi.serial = 4;
        sync(6);
      },
      /holds version 6, and Vault has version 7/,
    ],
    ["the Secret tells no version", () => sync(undefined), /holds version 0, and Vault has version 7/],
    ["the Secret is not there", () => cluster.objects.delete(SECRET), /Secret .* is not there/],
    ["the Secret cannot be read", () => cluster.forbidden.add(SECRET), /cannot be read: 403/],
    [
      "the token was another kind before",
      () => {
        pulumi.outputs.tokenSerial = null;
      },
      /has no token of its own yet/,
    ],
    [
      "nothing was written to Vault",
      () => {
        pulumi.outputs.kvVersion = null;
      },
      /has no token in Vault yet; run `pulumi up` until/,
    ],
  ])("changes nothing when %s", async (_why, spoil, expected) => {
    sync(7);
    spoil();
    await expect(run()).rejects.toThrow(expected);
    expect(pulumi.changing()).toEqual([]);
  });

  it("puts the serial back when the preview fails, or the operator says no, or asking fails", async () => {
    sync(7);
    pulumi.preview = 1;
    await expect(run()).rejects.toThrow("pulumi preview has failed; nothing is changed");
    expect(pulumi.serial).toBe(3);
    pulumi.preview = 0;
    expect(await run({ approve: async () => false })).toBeUndefined();
    expect(pulumi.serial).toBe(3);
    await expect(run({ approve: () => Promise.reject(new Error("no terminal")) })).rejects.toThrow("no terminal");
    expect(pulumi.serial).toBe(3);
    pulumi.serial = undefined;
    pulumi.outputs.tokenSerial = 1;
    await run({ approve: async () => false });
    expect(pulumi.serial).toBeUndefined();
    expect(pulumi.calls.some((call) => call.startsWith("up"))).toBe(false);
  });

  it.each(Object.entries(NOES))("rotates nothing with %s at its question", async (_, keys) => {
    sync(7);
    expect(await run({ approve: () => answeredWith(keys) })).toBeUndefined();
    expect(pulumi.serial).toBe(3);
    expect(pulumi.calls.some((call) => call.startsWith("up"))).toBe(false);
  });

  it("leaves a serial that an earlier run has raised, when the operator says no", async () => {
    sync(7);
    pulumi.serial = 4;
    expect(await run({ approve: async () => false })).toBeUndefined();
    expect(pulumi.serial).toBe(4);
  });

  it.each<[string, () => number, RegExp]>([
    [
      "another run has changed the stack",
      () => {
        pulumi.outputs = { tokenSerial: 5, kvVersion: "9" };
        return 0;
      },
      /with tokenSerial 5, not 4/,
    ],
    [
      "nothing was written",
      () => {
        pulumi.outputs = { tokenSerial: 4, kvVersion: "7" };
        return 0;
      },
      /nothing was written to Vault: its version is 7/,
    ],
  ])("is not proven when %s", async (_why, up, expected) => {
    sync(7);
    pulumi.up = up;
    await expect(run()).rejects.toThrow(expected);
  });
});

describe("a supplied token", () => {
  it("is rotated by its new value, with the same proof", async () => {
    sync(7);
    pulumi.outputs.tokenSerial = null;
    const rotation = await run({ token: "supplied" });
    expect(pulumi.changing()).toEqual(["preview --stack prod", "up --yes --skip-preview --stack prod"]);
    expect(rotation && proofText(rotation)).toMatch(/^Vault's version {2}7 -> 8\nSecret .*\nsynced .*$/);
  });

  it("that is the same as before is not called a rotation", async () => {
    sync(7);
    pulumi.outputs.tokenSerial = null;
    pulumi.up = () => 0;
    expect(await run({ token: "supplied" })).toMatchObject({ versions: [7, 7] });
    expect(lines).toEqual(["Vault had this value already, in version 7: nothing was to be rotated"]);
  });
});
