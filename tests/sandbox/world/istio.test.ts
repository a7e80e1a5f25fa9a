import { describe, expect, it } from "vitest";
import { problemsOf } from "../../../sandbox/world/served.ts";
import {
  base,
  certificate,
  certManager,
  DAY,
  gateway,
  ISTIO,
  ingressGateway,
  issuer,
  istiod,
  namespace,
  REFUSED_BY_WEBHOOK,
  reflector,
  reflectTo,
  route,
  service,
} from "./requests.ts";
import {
  fresh,
  HOST,
  having,
  keyOfRequest,
  meshed,
  pass,
  READY,
  readyAfter,
  served,
  stateOf,
  without,
  withToken,
} from "./worlds.ts";

describe("rule 3: istiod fills in the gateway's image", () => {
  const AUTO = { ready: false, reason: 'pod istio-ingressgateway: Failed to pull image "auto": ErrImagePull' };

  it("leaves a gateway on image auto for ever that came before istiod", () => {
    const world = fresh(base);
    const item = world.create(ingressGateway(service()));
    expect(stateOf(item)).toEqual(AUTO);
    having(world, istiod);
    pass(world, DAY);
    expect(stateOf(item)).toEqual(AUTO);
    expect(world.items("LoadBalancer")).toEqual([]);
  });

  it("leaves a gateway on image auto for ever that came less than a second after istiod, before its webhook", () => {
    const world = fresh(base);
    world.create(istiod);
    pass(world, 0.9);
    const item = world.create(ingressGateway(service()));
    pass(world, DAY);
    expect(stateOf(item)).toEqual(AUTO);
  });

  it("makes a gateway on image auto well by a new revision", () => {
    const world = fresh(base);
    const item = world.create(ingressGateway(service()));
    having(world, istiod);
    pass(world, 300);
    world.update(keyOfRequest(ingressGateway()), ingressGateway(service()).spec);
    expect(readyAfter(world, item)).toBe(90);
  });

  it("heals a gateway by itself that came between istiod's webhook and its readiness", () => {
    const world = fresh(base);
    const waited = world.create(istiod);
    pass(world, 1);
    const item = world.create(ingressGateway(service()));
    expect(stateOf(item)).toEqual({
      ready: false,
      reason: 'failed calling webhook "rev.namespace.sidecar-injector.istio.io"',
    });
    expect(readyAfter(world, waited)).toBe(29);
    expect(stateOf(item)).toEqual({ ready: false, reason: "Service istio-ingressgateway has no address yet" });
    expect(readyAfter(world, item)).toBe(90);
  });

  it("takes the load balancer's 90 s for a gateway after istiod", () => {
    const world = meshed();
    expect(readyAfter(world, world.create(ingressGateway(service())))).toBe(90);
  });

  it("never makes istiod ready that came before base was done, unless it is installed anew", () => {
    const world = fresh(namespace(ISTIO));
    const item = world.create(istiod);
    const failed = {
      ready: false,
      reason: "istiod is not ready: custom resource definitions of networking.istio.io are missing",
    };
    expect(stateOf(item)).toEqual(failed);
    having(world, base);
    pass(world, DAY);
    expect(stateOf(item)).toEqual(failed);
    without(world, istiod);
    expect(readyAfter(world, world.create(istiod))).toBe(30);
  });

  it("never makes istiod ready that came while base was installed", () => {
    const world = fresh();
    world.create(base);
    pass(world, 4.9);
    const item = world.create(istiod);
    pass(world, DAY);
    expect(item.ready).toBe(false);
  });
});

describe("istiod's webhook", () => {
  it("takes Istio's objects unseen until istiod has answered once", () => {
    const world = fresh(base);
    const item = world.create(gateway());
    expect(readyAfter(world, item)).toBe(0.5);
    world.create(istiod);
    expect(world.create(route()).kind).toBe("VirtualService");
  });

  it("refuses Istio's objects, on delete too, when the default validator has outlived istiod", () => {
    const world = having(meshed(), gateway());
    without(world, istiod);
    pass(world, DAY);
    const refusal = REFUSED_BY_WEBHOOK("validation.istio.io");
    expect(() => world.create(route())).toThrow(refusal);
    expect(() => world.remove(keyOfRequest(gateway()))).toThrow(refusal);
    // base's own uninstallation takes the validator, at its end.
    world.remove(keyOfRequest(base));
    expect(() => world.create(route())).toThrow(refusal);
    pass(world, 3);
    without(having(world, route()), gateway());
    expect(world.items("Gateway")).toEqual([]);
  });

  it("stays as istiod has left it when base is upgraded", () => {
    const world = without(meshed(), istiod);
    readyAfter(world, world.update(keyOfRequest(base), base.spec));
    expect(() => world.create(route())).toThrow(REFUSED_BY_WEBHOOK("validation.istio.io"));
  });

  it("ignores failures again with a validator that is new", () => {
    const world = without(meshed(), istiod, base);
    having(world, base, gateway());
    expect(world.items("Gateway").map(stateOf)).toEqual([READY]);
  });
});

describe("a Gateway", () => {
  const LISTENS = "Gateway gateway listens while its Certificate is not Ready";

  it("tells of a Gateway that listens before its Certificate is Ready, and does not forget it", () => {
    const world = withToken(meshed());
    having(world, certManager, reflector, issuer());
    const item = world.create(certificate({ secretTemplate: reflectTo(ISTIO) }));
    pass(world, 100);
    world.create(gateway());
    expect(world.state.violations).toEqual([LISTENS]);
    readyAfter(world, item);
    pass(world, DAY);
    expect(world.state.violations).toEqual([LISTENS]);
  });

  it("tells of a Gateway whose certificate nobody asks for", () => {
    expect(having(meshed(), gateway()).state.violations).toEqual([LISTENS]);
  });

  it("tells of a Gateway that presents the certificate of another host", () => {
    const world = served();
    world.update(keyOfRequest(gateway()), gateway(["*.other.example.com"]).spec);
    expect(world.state.violations).toEqual([
      "Gateway gateway presents a certificate for *.cluster.example.com,cluster.example.com to *.other.example.com",
    ]);
  });

  it("lets a Gateway present a wildcard's certificate to one of its hosts", () => {
    const world = served();
    world.update(keyOfRequest(gateway()), gateway([HOST]).spec);
    expect([problemsOf(world, HOST), world.state.violations]).toEqual([[], []]);
  });

  it("tells of a Gateway that presents a Secret which is no certificate", () => {
    const world = served();
    world.put({ kind: "Secret", namespace: ISTIO, name: "tls", spec: { data: {} } });
    world.update(keyOfRequest(gateway()), gateway([HOST]).spec);
    expect(world.state.violations).toEqual([`Gateway gateway presents a certificate for undefined to ${HOST}`]);
  });
});
