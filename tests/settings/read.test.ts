import * as pulumi from "@pulumi/pulumi";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { readSettings } from "../../settings/read.ts";
import { configOf, oke, type Raw, settingsOf } from "./stacks.ts";

const TODAY = new Date("2026-11-23");
const supplied = { cloudflare: { token: "supplied" }, cloudflareApiToken: "s3same" };

/** Reads a stack that the engine hands over. */
function read(changes: Raw, secrets: string[] = ["cloudflareApiToken"]) {
  const config = configOf({ ...oke, ...changes }, secrets);
  pulumi.runtime.setAllConfig({ ...config.values, "oci:region": "eu-frankfurt-1" }, [...config.secrets]);
  return readSettings(TODAY);
}

describe("the settings of the stack that runs", () => {
  beforeEach(() => {
    vi.spyOn(pulumi.log, "warn").mockResolvedValue(undefined);
  });
  afterEach(() => {
    vi.restoreAllMocks();
    pulumi.runtime.setAllConfig({}, []);
  });

  it("are read of Pulumi's config", () => {
    expect(read(supplied)).toEqual(settingsOf(supplied));
    expect(pulumi.log.warn).not.toHaveBeenCalled();
  });

  it("know which keys are secrets", () => {
    const one = (line: string) =>
      new pulumi.RunError(`1 mistake(s) in the stack's configuration:\n  oke-platform:${line}`);
    expect(() => read(supplied, [])).toThrow(
      one(
        "cloudflareApiToken stands in clear in the stack's file; set it with pulumi config set --secret, and revoke this one where it was made",
      ),
    );
    expect(() => read({ charts: { mirror: "./charts" } }, ["charts"])).toThrow(
      one(
        "charts is stored as a secret, but goes in clear into the cluster and the state; take the mark off, and keep what is secret in Vault or in a Secret of the cluster",
      ),
    );
  });

  it("stop the run without a stack trace where they are wrong", () => {
    expect(() => read({ size: "large" })).toThrow(pulumi.RunError);
  });

  it("are warned about", () => {
    read({ reflector: { namespaces: "all" }, charts: { istio: { version: "1.26.4" } } });
    expect(vi.mocked(pulumi.log.warn).mock.calls).toEqual([
      ['reflector.namespaces is "all": the certificate\'s private key is copied into every namespace'],
      ["Istio 1.26.4 is past its end of support, 2025-12-22; choose a newer version in charts"],
    ]);
  });
});
