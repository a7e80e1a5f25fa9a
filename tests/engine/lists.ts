import { createServer } from "node:http";
import type { Sandbox } from "../../sandbox/sandbox.ts";
import { keyOf } from "../../sandbox/world/state.ts";
import type { World } from "../../sandbox/world/world.ts";
import { listen } from "../loopback.ts";

// What the world has, as the API server of its cluster lists it.

/** The kinds that it knows, by their paths. */
const KINDS: Readonly<Record<string, string>> = {
  "/apis/external-secrets.io/v1/externalsecrets": "ExternalSecret",
  "/apis/networking.istio.io/v1/virtualservices": "VirtualService",
  "/apis/networking.istio.io/v1/gateways": "Gateway",
  "/apis/cert-manager.io/v1/certificates": "Certificate",
};

/**
 * Starts it; it ends with the other servers on loopback.
 *
 * @param isListed by the keys of objects. @default - all of them
 */
export async function startLists(sandbox: () => Sandbox, isListed = (_key: string) => true): Promise<string> {
  const server = createServer(async ({ url = "" }, response) => {
    const answer = (await sandbox().cloud.visit((it) => listedIn(it, new URL(url, "http://api"), isListed))).result;
    response.writeHead(answer === undefined ? 404 : 200, { "content-type": "application/json" });
    response.end(JSON.stringify(answer ?? { kind: "Status", code: 404, message: "no such kind" }));
  });
  return `http://127.0.0.1:${await listen(server)}`;
}

/** A list; undefined for a kind that is not known. */
function listedIn(
  world: World,
  { pathname, searchParams }: URL,
  isListed: (key: string) => boolean,
): object | undefined {
  const labels = searchParams.get("labelSelector") ?? "";
  if (pathname === "/api/v1/pods") {
    const release = world.item("Release istio-system/istio-ingressgateway");
    return listOf(labels === "istio=ingressgateway" && release ? [{ ...release, name: "gateway" }] : []);
  }
  if (pathname === "/apis/apps/v1/deployments") {
    const wanted = labels.replace("app.kubernetes.io/name=", "");
    return listOf(world.items("Deployment").filter(({ spec, name }) => spec.chart === wanted && name === wanted));
  }
  const kind = KINDS[pathname];
  return kind === undefined ? undefined : listOf(world.items(kind).filter((item) => isListed(keyOf(item))));
}

const listOf = (items: { name: string; namespace: string; spec: object }[]) => ({
  items: items.map(({ name, namespace, spec }) => ({ metadata: { name, namespace }, spec })),
});
