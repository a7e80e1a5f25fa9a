import { describe, expect, it } from "vitest";
import { tagRefusal } from "../../../sandbox/world/oci.ts";
import { problemsOf } from "../../../sandbox/world/served.ts";
import { Refusal, type Request, sha256 } from "../../../sandbox/world/state.ts";
import {
  asAccount,
  BACKEND_NSG,
  certManager,
  destinationRule,
  ingressGateway,
  issuer,
  kmsVault,
  MODE,
  role,
  route,
  type Spec,
  service,
  storeWith,
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
  setVault,
  stateOf,
  vaulted,
  without,
  withToken,
} from "./worlds.ts";

// What settings can ask for of clouds that behave: tags, several pools of nodes, bound accounts, namespaces and
// audiences of Vault, and Services that speak something else than HTTP/1.1 in clear.

const FREEFORM = "oci.oraclecloud.com/initial-freeform-tags-override";
const DEFINED = "oci.oraclecloud.com/initial-defined-tags-override";
const UNKNOWN =
  "400-RelatedResourceNotAuthorizedOrNotFound, The following tag namespaces / keys are not authorized or not found: 'Operations.CostCenter'";

describe("rule 8: tags at OCI", () => {
  const definedTags = { "Operations.CostCenter": "42" };
  const tagged: Request = { kind: "PublicIp", name: "ip", spec: { definedTags, freeformTags: { team: "web" } } };
  const defined: Request = { kind: "Tag", name: "Operations.CostCenter", spec: {} };
  const annotated = service({ [DEFINED]: '{"Operations":{"CostCenter":"42"}}', [FREEFORM]: '{"team":"web"}' });
  const GATEWAY = keyOfRequest(ingressGateway());
  const tagsOf = (world: ReturnType<typeof meshed>) => world.items("LoadBalancer")[0]?.status.tags;

  it.each([tagged, { ...kmsVault, spec: { ...kmsVault.spec, definedTags } }])("must be defined: $kind", (request) => {
    expect(() => fresh().create(request)).toThrow(new Refusal(UNKNOWN));
    const world = fresh();
    world.put(defined);
    expect(() => world.create(request)).not.toThrow();
  });

  it("are a load balancer's when it is made, and never change", () => {
    const world = meshed();
    world.put(defined);
    having(world, ingressGateway(annotated));
    const first = { freeformTags: { team: "web" }, definedTags };
    expect(tagsOf(world)).toEqual(first);
    world.update(GATEWAY, ingressGateway(service({ [FREEFORM]: '{"team":"other"}' })).spec);
    pass(world, 200);
    expect(tagsOf(world)).toEqual(first);
  });

  it.each([
    ["of no namespace", annotated, UNKNOWN],
    ["that are no JSON", service({ [FREEFORM]: "team=web" }), "failed to parse tags annotation"],
  ])("are refused a load balancer %s", (_, spec, reason) => {
    const world = meshed();
    const release = world.create(ingressGateway(spec));
    pass(world, 30);
    expect(release.reason).toContain(reason);
  });

  it("are no matter where there are none", () => {
    expect(tagRefusal(fresh(), undefined)).toBe(undefined);
  });
});

it("rule 8: all pools of nodes are open in mode NSG, or the backends are red", () => {
  const more = "ocid1.networksecuritygroup.oc1.eu-frankfurt-1.aaaasandboxmore";
  const problemWith = (backends: (nodes: string) => string) => {
    const world = served();
    const nodes = String(world.item("NetworkSecurityGroup /nodes")?.id);
    world.put({ kind: "NetworkSecurityGroup", name: "more", spec: { nodes: true } }, more);
    const changed = service({ [MODE]: "NSG", [BACKEND_NSG]: backends(nodes) });
    world.update(keyOfRequest(ingressGateway()), ingressGateway(changed).spec);
    pass(world, 200);
    return problemsOf(world, HOST);
  };
  expect(problemWith((nodes) => `${nodes},${more}`)).toEqual([]);
  expect(problemWith((nodes) => nodes)).toEqual([`${HOST}: the load balancer's backends are red`]);
});

describe("rule 6: an account that is bound", () => {
  const SERVER = "https://acme.example/directory";
  const bound = (keyID = "kid-1", name = "eab"): Request => {
    const { spec, ...rest } = issuer();
    const acme = { ...(spec.acme as Spec), externalAccountBinding: { keyID, keySecretRef: { name, key: "hmac-key" } } };
    return { ...rest, spec: { acme } };
  };
  const secret = (value = "key"): Request => ({
    kind: "Secret",
    namespace: "cert-manager",
    name: "eab",
    spec: { data: { "hmac-key": sha256(value) } },
  });
  const asking = () => {
    const world = withToken(fresh(certManager));
    world.put({ kind: "AcmeServer", name: SERVER, spec: { keyId: "kid-1", hmacKey: sha256("key") } });
    return world;
  };
  const refusedWith = (reason: string) => ({ ready: false, reason });

  it("is Ready when its key is there", () => {
    const world = having(asking(), secret());
    expect(readyAfter(world, world.create(bound()))).toBe(3);
  });

  it("waits for its key, which the event of the Secret brings", () => {
    const world = asking();
    const item = world.create(bound());
    pass(world, 1000);
    expect(stateOf(item)).toEqual(refusedWith('failed to register ACME account: secrets "eab" not found'));
    expect(readyAfter(world, world.create(secret()))).toBe(0.5);
    expect(readyAfter(world, item)).toBe(14 - 0.5);
    expect(stateOf(item)).toEqual(READY);
  });

  it.each([
    ["without a binding", issuer(), "400 urn:ietf:params:acme:error:externalAccountRequired"],
    [
      "with another key's identifier",
      bound("kid-2"),
      "401 urn:ietf:params:acme:error:unauthorized: invalid external account binding",
    ],
  ])("is refused %s", (_, request, reason) => {
    const world = having(asking(), secret());
    const item = world.create(request);
    pass(world, 10);
    expect(stateOf(item)).toEqual(refusedWith(reason));
  });
});

describe("rule 5: a login to Vault", () => {
  const DENIED = { ready: false, reason: "unable to log in to Vault: permission denied" };
  const login = (audiences?: string[], more: Spec = {}) =>
    storeWith(
      asAccount({
        serviceAccountRef: { namespace: "external-secrets", name: "external-secrets", ...(audiences && { audiences }) },
      }),
      more,
    );
  const stateWith = (store: Request, roleSpec: Spec = {}, namespace?: string) => {
    const world = vaulted();
    world.update(keyOfRequest(role()), role(roleSpec).spec);
    pass(world, 2);
    setVault(world, { namespace });
    const item = world.create(store);
    pass(world, 1);
    return stateOf(item);
  };
  const CLUSTER = "https://kubernetes.default.svc.cluster.local";

  it.each<[string, string[] | undefined, string | undefined, object]>([
    ["as the cluster has it", undefined, undefined, READY],
    ["for the role's audience", ["vault"], "vault", READY],
    ["for several, the role's among them", ["other", "vault"], "vault", READY],
    ["for another audience", ["other"], "vault", DENIED],
    ["for the cluster's, where the role has one", undefined, "vault", DENIED],
    ["for an audience where the role has none", ["vault"], undefined, DENIED],
    ["for the cluster's by name", ["vault", CLUSTER], undefined, READY],
  ])("with a token %s", (_, audiences, audience, state) => {
    expect(stateWith(login(audiences), audience === undefined ? {} : { audience })).toEqual(state);
  });

  it.each<[string | undefined, string | undefined, object]>([
    ["team", "team", READY],
    ["team", undefined, DENIED],
    [undefined, "team", DENIED],
  ])("in namespace %s, from namespace %s", (there, from, state) => {
    expect(stateWith(login(undefined, from === undefined ? {} : { namespace: from }), {}, there)).toEqual(state);
  });
});

describe("rule 9b: how the gateway speaks to a Service", () => {
  const UPGRADE = { connectionPool: { http: { h2UpgradePolicy: "UPGRADE" } } };
  const TLS = { tls: { mode: "SIMPLE", insecureSkipVerify: true } };
  const rule = (policy: Spec, port = 443) =>
    destinationRule({
      host: "web.default.svc.cluster.local",
      trafficPolicy: { portLevelSettings: [{ port: { number: port }, ...policy }] },
    });
  const problemsWith = (speaks: string, ...rules: Request[]) => {
    const world = without(served(), route());
    world.put({ kind: "Service", namespace: "default", name: "web", spec: { speaks: { 443: speaks } } });
    const http = [{ route: [{ destination: { host: "web", port: { number: 443 } } }] }];
    having(world, ...rules, { ...route(), spec: { ...route().spec, http } });
    return [...problemsOf(world, HOST), ...world.state.violations];
  };
  const spoken = (spoken: string, understood: string) => [
    `${HOST}: the gateway speaks ${spoken} to a Service that speaks ${understood}`,
  ];

  it.each<[string, string, Request[], string[]]>([
    ["HTTP, without a rule", "http", [], []],
    ["HTTPS, without a rule", "https", [], spoken("http", "https")],
    ["HTTPS, with its rule", "https", [rule(TLS)], []],
    ["HTTPS, with a rule for another port", "https", [rule(TLS, 8443)], spoken("http", "https")],
    [
      "HTTPS that is to be verified",
      "https",
      [rule({ tls: { mode: "SIMPLE" } })],
      spoken("https it does not trust", "https"),
    ],
    ["HTTP, with a rule for HTTPS", "http", [rule(TLS)], spoken("https", "http")],
    ["h2c, without a rule", "h2c", [], spoken("http", "h2c")],
    ["h2c, with its rule", "h2c", [rule(UPGRADE)], []],
    [
      "HTTPS, with a rule beside the Service for its own namespace",
      "https",
      [{ ...rule(TLS), namespace: "default" }],
      spoken("http", "https"),
    ],
  ])("%s", (_, speaks, rules, problems) => {
    expect(problemsWith(speaks, ...rules)).toEqual(problems);
  });
});
