import type { Judged } from "../../components/admission.ts";
import { certificatePolicyName, certificateTableOf, refusedCertificate } from "../../components/certificate-policy.ts";
import { closes, doorsBy } from "../../components/doors.ts";
import { ISTIO_NAMESPACE, ISTIOD } from "../../components/istio.ts";
import { ROUTE_POLICY, refusedRoute, routeTableOf } from "../../components/route-policy.ts";
import { SECRET_STORE } from "../../components/secret-store.ts";
import type { DoorName } from "../../components/tenants.ts";
import { GATEWAY } from "../../components/tls-gateway.ts";
import type { Door, TenancySettings } from "../../settings/tenancy.ts";
import { type Outcome, ok, problem, skipped, type Verdict } from "../lib/checks.ts";
import { type ClusterApi, INITIAL_NAMESPACES, refusalOf } from "../lib/cluster-api.ts";
import { doorIn } from "../lib/doors.ts";
import { type Asked, ask, toMake } from "./asked.ts";

// Whether the doors are closed that `tenancy` closes. What the API server refuses is tried, with nothing kept; the rest is
// read.

/** Checks whom the platform lets in. */
export async function checkDoors(asked: Asked, cluster: Outcome<ClusterApi>): Promise<Outcome[]> {
  const { run } = asked;
  const read = (name: string, door: Read) => run(name, [cluster], (api) => judgeDoor(asked, api, door));
  return Promise.all([
    run("routes of others", [cluster], (api) => tryRoute(asked, api)),
    read("Gateway's hosts", {
      door: "routes",
      setting: "routes",
      holder: `Gateway ${ISTIO_NAMESPACE}/${GATEWAY}`,
      does: (hosts) => `serves ${named(hosts)} on 443`,
    }),
    read("Gateways of others", {
      door: "gateways",
      setting: "routes",
      holder: `Deployment ${ISTIO_NAMESPACE}/${ISTIOD}`,
      does: (door) =>
        `${door === "all" ? "lets gateways' pods go by Gateways of every" : "keeps gateways' pods to Gateways of their own"} namespace`,
    }),
    run("certificates of others", [cluster], (api) => tryCertificate(asked, api)),
    asked.settings.vault === undefined
      ? run("secrets of others", [cluster], async () => skipped('cloudflare.token is "none": there is no store'))
      : read("secrets of others", {
          door: "secrets",
          setting: "secrets",
          holder: `ClusterSecretStore ${SECRET_STORE}`,
          does: (namespaces) => `serves ${named(namespaces)}`,
        }),
  ]);
}

/** A door that is read. */
interface Read {
  readonly door: DoorName;
  readonly setting: keyof TenancySettings;
  readonly holder: string;
  /** Completes "it …" for whom it lets in. */
  readonly does: (said: Door) => string;
}

const named = (said: Door) => (said === "all" ? "every namespace" : said.join(", "));

async function judgeDoor({ settings }: Asked, api: ClusterApi, { door, setting, holder, does }: Read) {
  if (settings.tenancy[setting] === "all") return skipped(`tenancy.${setting} is "all"`);
  const then = doorsBy(settings)[door];
  const now = await ask(doorIn(api, settings, door));
  if (now === undefined) return problem(`there is no ${holder}`, toMake(settings));
  if (!closes(now, then) && !closes(then, now)) return ok(`${holder} ${does(then)}`);
  return problem(`${holder} ${does(now)}; by the settings it ${does(then)}`, "pulumi refresh, and up");
}

/** What is tried in a namespace that may not. */
interface Attempt {
  readonly group: string;
  readonly plural: string;
  readonly kind: string;
  readonly spec: object;
  /** Why it is refused in a namespace; undefined where it is not. */
  readonly refused: (object: Judged) => string | undefined;
  /** Completes "namespace x could have …". */
  readonly what: string;
  readonly policy: string;
}

async function tryRoute({ settings }: Asked, api: ClusterApi): Promise<Verdict> {
  const table = routeTableOf(settings);
  if (table === undefined) return skipped('tenancy.routes is "all"');
  const host = settings.services[0]?.host ?? settings.baseDomain;
  return tried(api, {
    group: "networking.istio.io",
    plural: "virtualservices",
    kind: "VirtualService",
    spec: {
      hosts: [host],
      gateways: [`${ISTIO_NAMESPACE}/${GATEWAY}`],
      http: [{ route: [{ destination: { host: "nobody" } }] }],
    },
    refused: (route) => refusedRoute(route, table),
    what: `a route for ${host}`,
    policy: ROUTE_POLICY,
  });
}

async function tryCertificate({ settings }: Asked, api: ClusterApi): Promise<Verdict> {
  const table = certificateTableOf(settings);
  if (table === undefined) return skipped('tenancy.certificates is "all"');
  const [issuer = ""] = table.issuers;
  return tried(api, {
    group: "cert-manager.io",
    plural: "certificates",
    kind: "Certificate",
    spec: {
      secretName: NAME,
      dnsNames: [settings.baseDomain],
      issuerRef: { kind: "ClusterIssuer", name: issuer, group: "cert-manager.io" },
    },
    refused: (certificate) => refusedCertificate(certificate, table),
    what: `a Certificate of ClusterIssuer ${issuer}`,
    policy: certificatePolicyName(table),
  });
}

const NAME = "oke-platform-verify";

/**
 * Tries to make an object where it is refused, and keeps nothing of it: https://kubernetes.io/docs/reference/using-api/api-concepts/#dry-run
 *
 * The policy's own sentence alone counts: whoever may not make such objects at all is refused, too.
 */
async function tried({ custom }: ClusterApi, { group, plural, kind, spec, refused, what, policy }: Attempt) {
  const version = "v1";
  const manifestIn = (namespace: string) => ({
    apiVersion: `${group}/${version}`,
    kind,
    metadata: { name: NAME, namespace },
    spec,
  });
  const outside = INITIAL_NAMESPACES.map(manifestIn).find((manifest) => refused(manifest) !== undefined);
  if (outside === undefined) return skipped(`may be had in ${INITIAL_NAMESPACES.join(", ")}, and no other is tried`);
  const { namespace } = outside.metadata;
  const sentence = String(refused(outside));
  try {
    await custom.createNamespacedCustomObject({ group, version, plural, namespace, body: outside, dryRun: "All" });
  } catch (error) {
    const said = refusalOf(error);
    if (said.includes(sentence)) return ok(`namespace ${namespace} is refused: ${sentence}`);
    return skipped(
      `whether others are refused is not known: ${said}`,
      `run this with the right to create ${plural}.${group}`,
    );
  }
  return problem(
    `namespace ${namespace} could have ${what}`,
    `pulumi refresh, and up; kubectl get validatingadmissionpolicies,validatingadmissionpolicybindings ${policy}`,
  );
}
