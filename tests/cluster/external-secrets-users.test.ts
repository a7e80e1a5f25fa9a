import { afterAll, beforeAll, expect, it } from "vitest";
import { usersIn } from "../../components/external-secrets-users.ts";
import { type ApiServer, startApiServer } from "./api-server.ts";
import { definitionsOf, install } from "./definitions.ts";

// Whom External Secrets serves, by a real API server. Each test adds to what the one before has left.

let server: ApiServer;
beforeAll(async () => {
  server = await startApiServer();
});
afterAll(() => server?.stop());

const look = (user?: string) => usersIn(server.kubeConfig(user));

it("is nobody where its kinds are not known", async () => {
  expect(await look()).toEqual({ served: [], controllers: [] });
});

it("is all of the cluster", async () => {
  await install(server, await definitionsOf("externalSecrets"));
  expect(await look()).toEqual({ served: [], controllers: [] });
  const secretStoreRef = { kind: "ClusterSecretStore", name: "theirs" };
  await server.apply({
    apiVersion: "external-secrets.io/v1",
    kind: "ExternalSecret",
    metadata: { name: "database", namespace: "default" },
    spec: { secretStoreRef, data: [{ secretKey: "password", remoteRef: { key: "database" } }] },
  });
  await server.apply({
    apiVersion: "external-secrets.io/v1alpha1",
    kind: "PushSecret",
    metadata: { name: "back", namespace: "default" },
    spec: {
      secretStoreRefs: [secretStoreRef],
      selector: { secret: { name: "database" } },
      data: [{ match: { remoteRef: { remoteKey: "backup" } } }],
    },
  });
  const labels = { "app.kubernetes.io/name": "external-secrets" };
  await server.apply({
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "theirs-external-secrets", namespace: "default", labels },
    spec: {
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [{ name: "it", image: "it" }] } },
    },
  });
  expect(await look()).toEqual({
    served: ["ExternalSecret default/database", "PushSecret default/back"],
    controllers: ["default"],
  });
});

it("is not said to who may not ask", async () => {
  await expect(look("guest")).rejects.toThrow(/^the API server answers 403$/);
});
