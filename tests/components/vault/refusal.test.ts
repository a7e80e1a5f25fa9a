import * as pulumi from "@pulumi/pulumi";
import { Policy } from "@pulumi/vault/policy.js";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { explainVaultRefusals } from "../../../components/vault/refusal.ts";
import { record } from "../../../project/record.ts";
import { registrationsOf } from "../../harness.ts";

/** As the provider words it: https://github.com/hashicorp/vault/blob/api/v1.22.0/api/response.go */
const refused = (why: string) =>
  `error writing to Vault: Error making API request.\n\nURL: PUT http://127.0.0.1:8200/v1/sys/policies/acl/external-secrets\nCode: 403. Errors:\n\n* 1 error occurred:\n\t* ${why}\n\n`;

describe("a write that Vault refuses", () => {
  let hook: pulumi.ErrorHook | undefined;

  beforeAll(async () => {
    await record(
      async () => {
        explainVaultRefusals();
        void pulumi.runtime.registerStackTransformation(({ opts }) => {
          hook = opts.hooks?.onError?.[0] as pulumi.ErrorHook | undefined;
          return undefined;
        });
        new Policy("vault-access-policy", { name: "external-secrets", policy: "" });
        return {};
      },
      "prod",
      { values: {}, secrets: [] },
      { newResource: async ({ name, inputs }) => ({ id: name, state: inputs }), call: async () => ({}) },
    );
  });

  it.each([
    ["by its policy", refused("permission denied"), true],
    ["because the token has ended", refused("permission denied\n\t* invalid token"), false],
    ["because it is sealed", refused("permission denied").replace("403", "503"), false],
  ])("%s: says who writes the policy that fits, and tries no more", async (_why, error, told) => {
    const said = vi.spyOn(pulumi.log, "error").mockResolvedValue(undefined);
    const args = { type: "vault:index/policy:Policy", name: "vault-access-policy", errors: [error] };
    expect(await hook?.callback(args as unknown as pulumi.ErrorHookArgs)).toBe(false);
    expect(said.mock.calls).toEqual(
      told
        ? [
            [
              "Vault refuses vault-access-policy (vault:index/policy:Policy): the policy of VAULT_TOKEN allows what it was written for, and no other value. " +
                "If a setting, or a new version of this program, changes what is written there: whoever holds root writes the policy that fits, " +
                "npm run --silent vault -- policy --stack prod | vault policy write oke-platform - " +
                "(where this program installs Vault: VAULT_TOKEN=<root token> npm run vault:init -- --stack prod and where the keys are); then up again",
            ],
          ]
        : [],
    );
    said.mockRestore();
  });
});

it("all that is written into Vault says so, and nothing else", async () => {
  const all = await registrationsOf("prod", { vault: { install: true, initialized: true } });
  const having = all.filter(({ options }) => options.errorHooks.includes("vault-refusal")).map(({ type }) => type);
  expect(having.length).toBeGreaterThan(5);
  expect(having).toEqual(all.map(({ type }) => type).filter((type) => type.startsWith("vault:")));
});
