import { annotationOf } from "../../components/balanced-service.ts";
import { GATEWAY_RELEASE } from "../../components/ingress-gateway.ts";
import { ISTIO_NAMESPACE } from "../../components/istio.ts";
import type { Json } from "./actions.ts";
import type { LiveObject } from "./cluster.ts";
import { type Found, keyOf } from "./found.ts";
import { type Row, row } from "./plan.ts";

// The gateway's Service as settings of the load balancer: one that exists keeps its address, its subnet and its rules.

/** The gateway's Service, as far as it is read here. */
interface Service extends LiveObject {
  readonly spec?: {
    readonly type?: string;
    readonly loadBalancerIP?: string;
    readonly loadBalancerSourceRanges?: readonly string[];
    readonly externalTrafficPolicy?: string;
    readonly ports?: readonly { readonly port: number; readonly targetPort?: number | string }[];
  };
  readonly status?: { readonly loadBalancer?: { readonly ingress?: readonly { readonly ip?: string }[] } };
}

/** The gateway's Service; undefined where there is none. */
export const gatewayService = ({ objects }: Found): Service | undefined =>
  objects.get(keyOf({ apiVersion: "v1", kind: "Service", namespace: ISTIO_NAMESPACE, name: GATEWAY_RELEASE }));

/** OCID of a reserved public IP by its address; throws when OCI cannot be asked. */
export type ReservedIpAt = (address: string) => Promise<string | undefined>;

const SUBJECT = `Service ${ISTIO_NAMESPACE}/${GATEWAY_RELEASE}`;

/** What of the load balancer the Service says, as `loadBalancer` in a stack; compartment and VCN nobody but OCI knows. */
export async function balancerOf(
  service: Service,
  reservedIpAt: ReservedIpAt,
): Promise<{ settings: Record<string, Json>; rows: Row[] }> {
  const { spec = {}, metadata = {} } = service;
  const said = metadata.annotations ?? {};
  const of = (name: string) => said[annotationOf(name)];
  const settings: Record<string, Json> = {};
  const rows: Row[] = [];
  const refuse = (text: string, action: string) => rows.push(row("refuse", SUBJECT, text, action));

  if (/^nlb$/i.test(said["oci.oraclecloud.com/load-balancer-type"] ?? ""))
    refuse("is a network load balancer, which the program does not make", "leave it as it is, or move to another one");
  Object.assign(settings, bandwidthOf(of));
  if (of("shape")?.toLowerCase() !== "flexible")
    rows.push(
      row("change", SUBJECT, `its shape is ${of("shape") ?? "100Mbps"}; it becomes flexible, as wide as it was`),
    );
  const { rules, problem } = rulesOf(said);
  if (problem !== undefined) refuse(problem, "set the annotation to SL-All, NSG or None in ArgoCD first");
  settings.rules = rules;
  const nodes = listIn(said["oci.oraclecloud.com/oci-backend-network-security-group"]);
  if (nodes.length > 0) settings.nodeNsgIds = nodes;
  const more = listIn(said["oci.oraclecloud.com/oci-network-security-groups"]);
  if (more.length > 0) settings.additionalNsgIds = more;
  const isInternal = /^(1|t|true)$/i.test(of("internal") ?? "");
  if (isInternal) settings.internal = true;
  else if (spec.loadBalancerIP) {
    const id = await reservedIpAt(spec.loadBalancerIP).catch((error: Error) => error);
    if (typeof id === "string") settings.reservedIp = id;
    else
      refuse(
        `has the reserved IP ${spec.loadBalancerIP}, whose OCID ${id instanceof Error ? `cannot be asked for: ${id.message}` : "OCI does not know"}`,
        "set loadBalancer.reservedIp to it in the stack's file",
      );
  } else settings.ownAddress = true;
  const subnet = of("subnet1");
  if (subnet) settings.subnetId = subnet;
  if (spec.loadBalancerSourceRanges && spec.loadBalancerSourceRanges.length > 0)
    settings.allowedCidrs = [...spec.loadBalancerSourceRanges];
  if (spec.externalTrafficPolicy === "Local") settings.externalTrafficPolicy = "Local";
  for (const [setting, annotation] of Object.entries(NUMBERS)) {
    const value = of(annotation);
    if (value !== undefined && /^\d+$/.test(value)) settings[setting] = Number(value);
  }
  rows.push(...portRows(spec.ports ?? []));
  return { settings, rows };
}

/** Settings that are numbers in annotations. */
const NUMBERS = {
  idleTimeoutSeconds: "connection-idle-timeout",
  proxyProtocol: "connection-proxy-protocol-version",
  healthCheckRetries: "health-check-retries",
  healthCheckTimeoutMs: "health-check-timeout",
  healthCheckIntervalMs: "health-check-interval",
} as const;

const listIn = (value = "") =>
  value
    .split(",")
    .map((item) => item.trim())
    .filter((item) => item !== "");

/** Mbps, as the controller reads them: https://github.com/oracle/oci-cloud-controller-manager/blob/1100ac362/pkg/cloudprovider/providers/oci/load_balancer_spec.go */
function bandwidthOf(of: (name: string) => string | undefined): { minMbps: number; maxMbps: number } {
  const mbps = (value: string | undefined) => Number.parseInt((value ?? "").replace(/\D/g, ""), 10) || undefined;
  const clamped = (value: number) => Math.min(8192, Math.max(10, value));
  // Without a shape it is the controller's default.
  const fixed = mbps(of("shape")) ?? 100;
  const minMbps = clamped(mbps(of("shape-flex-min")) ?? fixed);
  return { minMbps, maxMbps: Math.max(minMbps, clamped(mbps(of("shape-flex-max")) ?? fixed)) };
}

/** Who opens the firewall. The newer annotation counts; with neither the controller edits the security lists. */
function rulesOf(said: Readonly<Record<string, string>>): { rules: string; problem?: string } {
  const mode = said["oci.oraclecloud.com/security-rule-management-mode"];
  const older = said["service.beta.kubernetes.io/oci-load-balancer-security-list-management-mode"];
  const modes = ["SL-All", "NSG", "None"];
  const known = modes.find((it) => it.toLowerCase() === mode?.toLowerCase());
  if (known !== undefined) return { rules: known };
  if (mode !== undefined) return { rules: "SL-All", problem: `opens the firewall as ${mode}, which cannot be said` };
  if (older === "Frontend") return { rules: "SL-All", problem: "opens the firewall as Frontend, which cannot be said" };
  return { rules: older === "None" ? "None" : "SL-All" };
}

/** Where the program sends what comes in; another port of the pods would be gone before the Service is changed. */
const PODS = { 80: 8080, 443: 8443 } as const;

function portRows(ports: readonly { readonly port: number; readonly targetPort?: number | string }[]): Row[] {
  return Object.entries(PODS).flatMap(([port, pods]) => {
    const there = ports.find((it) => it.port === Number(port));
    if (there?.targetPort === pods) return [];
    return [
      row(
        "refuse",
        SUBJECT,
        `sends port ${port} to ${there?.targetPort ?? "nowhere"} of the pods, the program to ${pods}: between the two changes nothing would listen`,
        `add a port to ${pods} in ArgoCD, and let Envoy listen there, before the takeover`,
      ),
    ];
  });
}
