import * as pulumi from "@pulumi/pulumi";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { type Registration, record } from "../../project/record.ts";
import { lastName } from "../../project/registration.ts";
import { readStack } from "../../project/stack.ts";
import { willingCloud } from "../../sandbox/schedule/willing-cloud.ts";
import { named, registrationsOf } from "../harness.ts";
import { waitFor } from "./vault/objects.ts";

describe("the token's ExternalSecret", () => {
  it.each([
    ["secret", "prod/cert-manager"],
    ["prod", "prod/cert-manager"],
    ["kv/eu", "kv/eu/data/token"],
  ])("asks for a key that no strip makes another of: mount %s, path %s", async (mount, path) => {
    const all = await registrationsOf("prod", {
      vault: { address: "http://127.0.0.1:8200", access: "managed", mount, path },
    });
    expect(named(all, "token-secret").inputs.spec).toMatchObject({
      data: [{ remoteRef: { key: `${mount}/data/${path}`, property: "cf-api-token" } }],
    });
    expect(named(all, "secret-store").inputs.spec).toMatchObject({ provider: { vault: { path: mount } } });
  });

  const annotationsOf = (all: Registration[]) =>
    (named(all, "token-secret").inputs.metadata as { annotations: unknown }).annotations;

  it("says which write and which serial it is for, in clear", async () => {
    const all = await registrationsOf("prod", { cloudflare: { tokenSerial: 3 } });
    expect(annotationsOf(all)).toEqual({
      ...waitFor,
      "oke-platform/kv-version": "1",
      "oke-platform/token-serial": "3",
    });
    expect(named(all, "token-secret").dataDependsOn.map(lastName)).toEqual(["dns-token-3", "vault-secret"]);
  });

  it("says which write it is for where the token is supplied, and waits for that write", async () => {
    const all = await registrationsOf(
      "prod",
      { cloudflare: { token: "supplied" } },
      { cloudflareApiToken: "the-supplied-token" },
    );
    expect(annotationsOf(all)).toEqual({ ...waitFor, "oke-platform/kv-version": "1" });
    expect(named(all, "token-secret").dataDependsOn.map(lastName)).toEqual(["vault-secret"]);
  });

  it("says the version that Vault gave the write", async () => {
    const willing = willingCloud();
    const all = await registrationsOf(
      "prod",
      {},
      {},
      {
        ...willing,
        newResource: async (args) => {
          const made = await willing.newResource(args);
          return args.type === "vault:kv/secretV2:SecretV2"
            ? { ...made, state: { ...made.state, metadata: { version: "42" } } }
            : made;
        },
      },
    );
    expect(annotationsOf(all)).toMatchObject({ "oke-platform/kv-version": "42" });
  });
});

describe("a serial of the token", () => {
  /** The check that the engine runs before it updates the ExternalSecret, also in a preview. */
  let check: (before?: string, after?: string) => void;
  let inPreviews: boolean | undefined;

  beforeAll(async () => {
    let hook: pulumi.ResourceHook | undefined;
    const { values, secrets } = await readStack("prod");
    vi.resetModules();
    await record(
      () => {
        void pulumi.runtime.registerStackTransformation(({ type, opts }) => {
          if (type.endsWith(":ExternalSecret")) hook = opts.hooks?.beforeUpdate?.[0] as pulumi.ResourceHook;
          return undefined;
        });
        return import("../../index.ts");
      },
      "prod",
      { values, secrets },
      willingCloud(),
    );
    const inputsOf = (serial: string | undefined) => ({
      metadata: {
        annotations: { "oke-platform/kv-version": "1", ...(serial && { "oke-platform/token-serial": serial }) },
      },
    });
    inPreviews = hook?.opts?.onDryRun;
    check = (before, after) =>
      void hook?.callback({
        urn: "",
        id: "",
        name: "token-secret",
        type: "",
        oldInputs: inputsOf(before),
        newInputs: inputsOf(after),
      });
  });

  it.each([
    ["stays", "3", "3"],
    ["goes up by one", "3", "4"],
    ["goes up by one past nine", "9", "10"],
    ["begins, after a token that was supplied", undefined, "7"],
    ["ends, with a token that is supplied", "7", undefined],
    ["never was", undefined, undefined],
  ])("that %s is let through", (_what, before, after) => {
    expect(() => check(before, after)).not.toThrow();
  });

  it.each([
    ["skips one", "3", "5"],
    ["goes back", "3", "2"],
    ["goes back to the start", "10", "1"],
  ])("that %s is refused, with the ones that are allowed", (_what, before, after) => {
    expect(() => check(before, after)).toThrow(
      new Error(
        `cloudflare.tokenSerial goes from ${before} to ${after}; allowed: ${before}, or ${Number(before) + 1} for a new token. The token in use stays valid for one serial more, so that one that is skipped could leave the cluster with a deleted one`,
      ),
    );
  });

  it("is looked at in previews too", () => {
    expect(inPreviews).toBe(true);
  });
});
