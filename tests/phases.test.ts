import { describe, expect, it } from "vitest";
import type { Registration } from "../project/record.ts";
import { willingCloud } from "../sandbox/schedule/willing-cloud.ts";
import { worldWithoutVault } from "../sandbox/world/beginnings.ts";
import { withWorld } from "./components/vault/objects.ts";
import { registrationsOf } from "./harness.ts";

describe("the first phase of an installed Vault", () => {
  const laterOnly = [
    "certificate",
    "dns-token",
    "dns-token-1",
    "issuer",
    "secret-store",
    "tls-gateway",
    "token-secret",
    "vault",
    "vault-access",
    "vault-access-audit",
    "vault-access-backend",
    "vault-access-backend-config",
    "vault-access-mount",
    "vault-access-policy",
    "vault-access-role",
    "vault-secret",
  ];

  it.each(["prod", "lab"])(
    "of %s registers all but what needs Vault's content, each object as in the second",
    async (stack) => {
      const [first, second] = [
        await withWorld(stack, { install: true }, worldWithoutVault()),
        await withWorld(stack, { install: true, initialized: true }, worldWithoutVault()),
      ];
      const urns = new Set(first.map(({ urn }) => urn));
      const later = second.filter(({ urn }) => !urns.has(urn));
      expect([...new Set(later.map(({ name }) => name))].sort()).toEqual(laterOnly);
      const rest = second.filter(({ urn }) => urns.has(urn));
      const byUrn = (all: Registration[]) => Object.fromEntries(all.map((it) => [it.urn, it]));
      expect(byUrn(first)).toEqual(byUrn(rest));
    },
  );

  it("asks nothing of Vault, which is not there yet", async () => {
    const asked: string[] = [];
    const willing = willingCloud(worldWithoutVault());
    await registrationsOf(
      "prod",
      { vault: { install: true } },
      {},
      {
        ...willing,
        call: async (args) => {
          asked.push(args.token);
          return willing.call(args);
        },
      },
    );
    expect(asked.filter((token) => token.startsWith("vault:"))).toEqual([]);
    expect(asked).not.toEqual([]);
  });
});
