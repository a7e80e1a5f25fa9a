import { expect, it } from "vitest";
import { lastName } from "../../project/registration.ts";
import { named, registrationsOf } from "../harness.ts";
import { secretOf } from "../stack-objects.ts";

const SERVER = "https://acme.zerossl.com/v2/DV90";

it("binds its account with a key that is a secret, and that is there before it", async () => {
  const changes = { acme: { email: "a@example.com", server: SERVER, eab: { keyId: "kid-1" } } };
  const all = await registrationsOf("prod", changes, { acmeEabHmacKey: "c2FtZQ" });
  const { inputs: secret, parent } = named(all, "issuer-eab");
  const { inputs: issuer, dependsOn } = named(all, "issuer");
  const { name } = issuer.metadata as { name: string };
  expect(secret).toEqual({
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name: `${name}-eab`, namespace: "cert-manager" },
    data: secretOf({ "hmac-key": Buffer.from("c2FtZQ").toString("base64") }),
  });
  expect((issuer.spec as { acme: { externalAccountBinding: unknown } }).acme.externalAccountBinding).toEqual({
    keyID: "kid-1",
    keySecretRef: { name: `${name}-eab`, key: "hmac-key" },
  });
  expect([dependsOn.map(lastName), lastName(parent ?? "")]).toEqual([["issuer-eab"], "issuer"]);
  expect(name).toMatch(/^cluster-issuer-acme-[0-9a-f]{8}$/);
});

it("has the name of one that is there, and refuses another server under it", async () => {
  const acme = { email: "a@example.com", server: "production", issuerName: "letsencrypt" };
  const all = await registrationsOf("prod", { acme });
  const { inputs, options } = named(all, "issuer");
  expect(inputs).toMatchObject({
    metadata: { name: "letsencrypt" },
    spec: { acme: { privateKeySecretRef: { name: "letsencrypt" } } },
  });
  expect((named(all, "certificate").inputs.spec as { issuerRef: unknown }).issuerRef).toEqual({
    kind: "ClusterIssuer",
    name: "letsencrypt",
  });
  expect(options.hooks).toEqual(["issuer-one-server", "keep-serving"]);
  expect(named(await registrationsOf("prod"), "issuer").options.hooks).toEqual(["keep-serving"]);
});
