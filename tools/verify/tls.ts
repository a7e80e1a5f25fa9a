import type { X509Certificate } from "node:crypto";
import { CERT_MANAGER_NAMESPACE } from "../../components/cert-manager.ts";
import { TLS_SECRET } from "../../components/certificate.ts";
import { CA_ISSUER } from "../../components/issuer.ts";
import { ISTIO_NAMESPACE, ISTIOD } from "../../components/istio.ts";
import { letsEncrypt } from "../../settings/acme.ts";
import type { Settings } from "../../settings/settings.ts";
import { found, ok, problem, skipped, type Verdict } from "../lib/checks.ts";
import { type Endpoint, failureOf } from "../lib/http.ts";
import type { Asked } from "./asked.ts";
import { type Presented, shakeHands, shakeOldHands } from "./visit.ts";

// What the gateway presents in a handshake, and which versions of TLS it takes.

/** As much of a SHA-256 fingerprint as tells certificates apart. */
export const shown = ({ fingerprint256 }: X509Certificate) => `SHA-256 ${fingerprint256.slice(0, 23)}…`;

export async function judgeHandshake({ roots, timeoutMs, settings }: Asked, at: Endpoint, host: string) {
  const { minTls } = settings.gateway;
  try {
    const presented = await shakeHands(at, host, { minTls, roots, timeoutMs });
    return found(presented, ok(presented.protocol));
  } catch (error) {
    return problem(
      `no handshake with TLS ${minTls} or newer: ${failureOf(error)}`,
      `is the gateway up, with its Secret? kubectl -n ${ISTIO_NAMESPACE} get pods,gateways.networking.istio.io,secret/${TLS_SECRET}; ` +
        "is any of the load balancer's backends healthy?",
    );
  }
}

const ALL_GATEWAYS = "kubectl get gateways.networking.istio.io -A";

export async function judgeTrust({ settings, roots }: Asked, presented: Presented, host: string): Promise<Verdict> {
  const { leaf, chainError, isForHost } = presented;
  const { validFromDate: from, validToDate: to } = leaf;
  const renew = `kubectl -n ${CERT_MANAGER_NAMESPACE} describe certificate,order,challenge`;
  const faults: [reason: string, action: string][] = [];
  if (to < new Date()) faults.push([`expired on ${to.toISOString()}`, renew]);
  else if (from > new Date()) faults.push([`not valid before ${from.toISOString()}`, "is this machine's clock right?"]);
  else if (chainError !== undefined) {
    const issuer = leaf.issuer.replaceAll("\n", ", ");
    const by = roots === undefined ? "Node's roots" : "the roots given";
    faults.push([`not trusted by ${by}: ${chainError}, issued by ${issuer}`, waysToTrust(settings)]);
  }
  if (!isForHost)
    faults.push([
      `for ${leaf.subjectAltName ?? "no name"}, not for ${host}`,
      `is another Gateway's host in the way? ${ALL_GATEWAYS}`,
    ]);
  if (faults.length === 0) return ok(`trusted, until ${to.toISOString().slice(0, 10)}`);
  return problem(faults.map(([reason]) => reason).join("; "), faults.map(([, action]) => action).join("; "));
}

/** What makes a chain trusted depends on who issues. */
function waysToTrust({ issuer }: Settings): string {
  if (issuer.kind === "ca")
    return (
      `the CA is the cluster's own: give its root with --roots, from kubectl -n ${CERT_MANAGER_NAMESPACE} get secret ` +
      `${CA_ISSUER} -o jsonpath='{.data.tls\\.crt}' | base64 -d`
    );
  switch (issuer.directory) {
    case letsEncrypt.staging:
      return (
        "nobody trusts Let's Encrypt's staging: give its root with --roots, from " +
        "https://letsencrypt.org/docs/staging-environment/, or set acme.server to production"
      );
    case letsEncrypt.production:
      return "is the certificate of another issuer still served, or an intermediate missing in tls.crt?";
    default:
      return "give the root of the ACME server's certificates with --roots";
  }
}

export async function judgePresented({ leaf }: Presented, source: X509Certificate): Promise<Verdict> {
  if (leaf.fingerprint256 === source.fingerprint256) return ok("the cluster's");
  return problem(
    `presents ${shown(leaf)}, the cluster has ${shown(source)}`,
    `a new copy takes seconds; then kubectl -n ${ISTIO_NAMESPACE} logs deployment/${ISTIOD}, and ${ALL_GATEWAYS}`,
  );
}

export async function judgeOldTls({ settings, timeoutMs }: Asked, at: Endpoint, host: string): Promise<Verdict> {
  const below = settings.gateway.minTls;
  try {
    const accepted = await shakeOldHands(at, host, { below, timeoutMs });
    return problem(
      `${accepted} is accepted; gateway.minTls is ${below}`,
      `pulumi refresh, and up; is another Gateway serving this host? ${ALL_GATEWAYS}`,
    );
  } catch (error) {
    // The server's own no. Anything else may be the network's, or this machine's, which then offered nothing.
    const { code } = error as { code?: string };
    if (/^(ECONNRESET|ERR_SSL_\S*ALERT\S*)$/.test(String(code))) return ok(`versions below ${below} are refused`);
    return skipped(`whether versions below ${below} are refused is not known: ${failureOf(error)}`);
  }
}
