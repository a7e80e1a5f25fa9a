import { describe, expect, it } from "vitest";
import { type Item, Refusal, type Request } from "../../../sandbox/world/state.ts";
import { usualLatencies } from "../../../sandbox/world/systems.ts";
import type { World } from "../../../sandbox/world/world.ts";
import {
  base,
  certificate,
  certManager,
  DAY,
  destinationRule,
  externalSecret,
  externalSecrets,
  gateway,
  ISTIO,
  ingressGateway,
  issuer,
  istiod,
  namespace,
  REFUSED_BY_WEBHOOK,
  reflector,
  release,
  renewed,
  route,
  type Spec,
  store,
} from "./requests.ts";
import {
  fresh,
  having,
  keyOfRequest,
  meshed,
  pass,
  READY,
  readyAfter,
  served,
  stateOf,
  vaulted,
  without,
} from "./worlds.ts";

describe("rule 1: a kind is known when its chart is installed", () => {
  const kinds: [Request, Request, string][] = [
    [store(), externalSecrets, "external-secrets.io/v1"],
    [externalSecret(), externalSecrets, "external-secrets.io/v1"],
    [issuer(), certManager, "cert-manager.io/v1"],
    [certificate(), certManager, "cert-manager.io/v1"],
    [gateway(), base, "networking.istio.io/v1"],
    [route(), base, "networking.istio.io/v1"],
    [destinationRule(), base, "networking.istio.io/v1"],
  ];

  it.each(kinds)("knows the kind of %o from when %o is done, and not before", (request, chart, version) => {
    const world = fresh();
    const refusal = new Refusal(`no matches for kind "${request.kind}" in version "${version}"`);
    expect(() => world.create(request)).toThrow(refusal);
    having(world, ...["cert-manager", ISTIO].map(namespace));
    const done = world.create(chart);
    const seconds = usualLatencies[chart.spec.chart as string] ?? 0;
    pass(world, seconds - 0.1);
    expect(() => world.create(request)).toThrow(refusal);
    pass(world, 0.1);
    expect(stateOf(done)).toEqual(READY);
    expect(world.create(request).kind).toBe(request.kind);
  });

  it("still knows the kinds of cert-manager and Istio when their charts are gone, and not those of External Secrets", () => {
    const world = fresh(certManager, base, istiod, externalSecrets);
    having(world, store());
    without(world, certManager, istiod, base, externalSecrets);
    expect([issuer(), certificate(), gateway(), route()].map((request) => world.create(request).kind)).toEqual([
      "ClusterIssuer",
      "Certificate",
      "Gateway",
      "VirtualService",
    ]);
    // Its objects went with the definition.
    expect(world.items("ClusterSecretStore")).toEqual([]);
    expect(() => world.create(store())).toThrow(
      new Refusal('no matches for kind "ClusterSecretStore" in version "external-secrets.io/v1"'),
    );
  });
});

describe("rule 2: a webhook that does not answer refuses", () => {
  it("refuses cert-manager's kinds while a second installation is under way", () => {
    const world = without(fresh(certManager), certManager);
    const again = world.create(certManager);
    pass(world, 44);
    expect(() => world.create(issuer())).toThrow(REFUSED_BY_WEBHOOK("webhook.cert-manager.io"));
    expect(() => world.create(certificate())).toThrow(REFUSED_BY_WEBHOOK("webhook.cert-manager.io"));
    readyAfter(world, again);
    expect(readyAfter(world, world.create(issuer()))).toBe(3);
  });

  it.each([
    [certManager, issuer(), "webhook.cert-manager.io"],
    [externalSecrets, store(), "validate.clustersecretstore.external-secrets.io"],
    [istiod, gateway(), "validation.istio.io"],
  ])("refuses to make, change and delete while $0.name is being uninstalled", (chart, request, webhook) => {
    const world = fresh(...(chart === istiod ? [base] : []), chart, request);
    const key = keyOfRequest(request);
    world.remove(keyOfRequest(chart));
    pass(world, 1);
    expect(() => world.create({ ...request, name: "another" })).toThrow(REFUSED_BY_WEBHOOK(webhook));
    expect(() => world.update(key, request.spec)).toThrow(REFUSED_BY_WEBHOOK(webhook));
    expect(() => world.remove(key)).toThrow(REFUSED_BY_WEBHOOK(webhook));
    expect(world.item(key)).toMatchObject({ generation: 1, removing: false });
  });

  it("refuses an ExternalSecret by the webhook of its own kind", () => {
    const world = having(vaulted(), store(), externalSecret());
    world.remove(keyOfRequest(externalSecrets));
    const key = keyOfRequest(externalSecret());
    expect(() => world.remove(key)).toThrow(REFUSED_BY_WEBHOOK("validate.externalsecret.external-secrets.io"));
  });

  it("answers all through an upgrade", () => {
    const world = fresh(certManager);
    const upgraded = world.update(keyOfRequest(certManager), { ...certManager.spec, version: "v1.21.1" });
    expect(stateOf(upgraded)).toEqual({ ready: false, reason: "the new revision is not rolled out" });
    world.create(issuer());
    expect(readyAfter(world, upgraded)).toBe(18);
  });

  it("takes cert-manager's objects again, for nobody, when the release is gone", () => {
    const world = without(fresh(certManager), certManager);
    const item = world.create(issuer());
    pass(world, DAY);
    expect(item.ready).toBe(false);
    without(world, issuer());
    expect(world.items("ClusterIssuer")).toEqual([]);
  });

  it("looks after the objects that it finds when it is installed again", () => {
    const world = without(fresh(certManager), certManager);
    const item = world.create(issuer());
    // Its start-up check waits for the lease of the one before.
    expect(readyAfter(world, world.create(certManager))).toBe(60);
    expect(stateOf(item)).toEqual(READY);
  });
});

describe("rule 4: what is in a namespace needs it", () => {
  const MISSING = (name: string) => new Refusal(`namespaces "${name}" not found`);

  it("refuses a release and an object in a namespace that is missing", () => {
    const world = fresh(certManager, base, externalSecrets);
    const nowhere = (request: Request) => () => world.create({ ...request, namespace: "nowhere" });
    expect(nowhere(release("reflector", "reflector", "", { createNamespace: false }))).toThrow(MISSING("nowhere"));
    for (const request of [certificate(), externalSecret(), gateway(), route(), destinationRule()])
      expect(nowhere(request)).toThrow(MISSING("nowhere"));
  });

  it("makes the namespace of a release that asks for it when the chart is fetched", () => {
    const world = fresh();
    world.create(certManager);
    pass(world, 2.24);
    expect(world.item("Namespace /cert-manager")).toBeUndefined();
    pass(world, 0.01);
    expect(world.item("Namespace /cert-manager")).toMatchObject({ ready: true, id: "cert-manager" });
  });

  it("takes a namespace that is there already for a release, however it came about", () => {
    const world = fresh(namespace("cert-manager"));
    const made = world.item("Namespace /cert-manager");
    expect(readyAfter(world, world.create(certManager))).toBe(45);
    expect(world.item("Namespace /cert-manager")).toBe(made);

    const other = fresh();
    other.create(certManager);
    having(other, namespace("cert-manager"));
    expect(readyAfter(other, other.items("Release")[0] as Item)).toBe(44.5);
  });

  it("refuses to make what is there", () => {
    const world = having(meshed(), gateway());
    expect(() => world.create(namespace("default"))).toThrow(new Refusal('namespaces "default" already exists'));
    // Helm made it.
    expect(() => world.create(namespace(ISTIO))).toThrow(new Refusal('namespaces "istio-system" already exists'));
    expect(() => world.create(istiod)).toThrow(new Refusal("cannot re-use a name that is still in use"));
    expect(() => world.create(gateway())).toThrow(new Refusal('gateways.networking.istio.io "gateway" already exists'));
  });

  it("takes everything in a namespace with it, the gateway's load balancer included, and nothing else", () => {
    const world = served();
    const before = Object.keys(world.state.items);
    without(world, namespace(ISTIO));
    const gone = before.filter((key) => world.item(key) === undefined);
    expect(gone.sort()).toEqual([
      "Deployment istio-system/istio-ingressgateway",
      "Deployment istio-system/istiod",
      "Gateway istio-system/gateway",
      "LoadBalancer /istio-ingressgateway",
      "Namespace /istio-system",
      "Release istio-system/istio-base",
      "Release istio-system/istio-ingressgateway",
      "Release istio-system/istiod",
      "Secret istio-system/tls",
      "Service istio-system/istio-ingressgateway",
      "Service istio-system/istiod",
    ]);
  });
});

describe("pods, while the registry of their images is away", () => {
  const away = (world: World) => world.put({ kind: "Registry", name: "images", spec: { away: true } });
  const restarted = (world: World, request: Request) => {
    world.update(keyOfRequest(request), renewed(request));
    return world.item(`Deployment ${request.namespace}/${request.name}`)?.reason;
  };
  const REFUSED = (name: string) => `pod ${name}: Failed to pull image: the registry does not answer: ErrImagePull`;

  const gatewayWith = (values: Spec): Request => {
    const request = ingressGateway({ type: "ClusterIP" });
    return { ...request, spec: { ...request.spec, values: { ...(request.spec.values as Spec), ...values } } };
  };

  it.each([
    ["start where their image is", reflector, "the new revision is not rolled out"],
    ["of a gateway do not, as its chart has it", gatewayWith({}), REFUSED("istio-ingressgateway")],
    [
      "of a gateway do that need not pull",
      gatewayWith({ imagePullPolicy: "IfNotPresent" }),
      "the new revision is not rolled out",
    ],
  ])("%s", (_, request, reason) => {
    const world = having(meshed(), request);
    away(world);
    expect(restarted(world, request)).toBe(reason);
  });

  it("do not start for the first time", () => {
    const world = fresh();
    away(world);
    world.create(reflector);
    expect(world.item("Deployment kube-system/reflector")?.reason).toBe(REFUSED("reflector"));
  });
});
