import { expect, it } from "vitest";
import { recordStack } from "../../project/record.ts";
import { readStack } from "../../project/stack.ts";
import { SEALED } from "../../settings/fields.ts";

it("a stack is recorded under its name alone, whoever it belongs to, as the engine's URNs have it", async () => {
  const shipped = await readStack("prod");
  const urns = async (stack: string) => (await recordStack(stack, { configure: () => shipped })).map(({ urn }) => urn);
  expect(await urns("organisation/oke-platform/prod")).toEqual(await urns("prod"));
});

it("a stack is recorded without its secrets, each of which stands sealed", async () => {
  const configure = ({ values, secrets }: Awaited<ReturnType<typeof readStack>>) => {
    const acme = { email: "a@example.com", server: "https://acme.zerossl.com/v2/DV90", eab: { keyId: "kid-1" } };
    const charts = { mirror: "oci://registry.example.com/charts", username: "robot" };
    const sealed = ["acmeEabHmacKey", "chartsPassword", "cloudflareApiToken"].map((key) => `oke-platform:${key}`);
    return {
      values: {
        ...values,
        ...Object.fromEntries(
          Object.entries({ acme, charts, cloudflare: { token: "supplied" } }).map(([key, value]) => [
            `oke-platform:${key}`,
            JSON.stringify(value),
          ]),
        ),
        ...Object.fromEntries(sealed.map((key) => [key, SEALED])),
      },
      secrets: [...secrets, ...sealed],
    };
  };
  const names = (await recordStack("prod", { configure })).map(({ name }) => name);
  expect(names).toEqual(expect.arrayContaining(["issuer-eab", "vault-secret", "cert-manager"]));
});
