import { X509Certificate } from "node:crypto";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { lacking, type Outcome } from "../../../tools/lib/checks.ts";
import { checkHosts } from "../../../tools/verify/visitor.ts";
import { closeAll, silentPort } from "../../loopback.ts";
import { type Issuer, issue, newIssuer, type TlsPair } from "../../pki.ts";
import { askedOf, BASE, linesOf, NAMES, settingsWith, startWayIn, troublesIn, type WayIn } from "./deploy.ts";
import { oldDropped } from "./gateway.ts";

let letsEncrypt: Issuer;
let stranger: Issuer;
let good: TlsPair;
beforeAll(async () => {
  letsEncrypt = await newIssuer("Trusted");
  stranger = await newIssuer("Stranger");
  good = await issue(letsEncrypt, NAMES);
});
afterEach(closeAll);

const balancer = lacking("not of interest");
const sourceOf = ({ cert }: TlsPair): Outcome<X509Certificate> => ({
  subject: { name: "certificate's Secret" },
  verdicts: [],
  value: new X509Certificate(cert),
});

interface Setup extends WayIn {
  readonly presented?: TlsPair;
  readonly source?: TlsPair;
  readonly roots?: string | undefined;
  readonly settings?: Record<string, unknown>;
  readonly timeoutMs?: number;
  /** Stands before the gateway. */
  readonly before?: (port: number) => Promise<number>;
}

/** Checks the base domain alone, whose DNS is not of interest here. */
async function outcomesOf({ presented = good, source = presented, roots, settings, timeoutMs, before, ...way }: Setup) {
  const { https, ...rest } = await startWayIn(presented, way);
  const place = { ip: "127.0.0.1", port: before ? await before(https.port) : https.port };
  const asked = askedOf({
    settings: settingsWith({ services: [], ...settings }),
    ...rest,
    https: place,
    roots: roots ?? letsEncrypt.root,
    ...(timeoutMs !== undefined && { timeoutMs }),
  });
  return checkHosts(asked, { source: sourceOf(source), balancer });
}

const troublesOf = async (setup: Setup) =>
  troublesIn(await outcomesOf(setup)).filter((line) => !line.startsWith("skipped DNS"));

it("passes when the gateway presents the cluster's certificate, and tells what it saw", async () => {
  const seen = linesOf(await outcomesOf({})).filter((line) => /^\S+ (handshake|trust|certificate|old TLS) /.test(line));
  expect(seen).toEqual([
    `pass handshake ${BASE}: TLSv1.3`,
    expect.stringMatching(`^pass trust ${BASE}: trusted, until 20\\d\\d-\\d\\d-\\d\\d$`),
    `pass certificate ${BASE}: the cluster's`,
    `pass old TLS ${BASE}: versions below 1.2 are refused`,
  ]);
});

describe("the certificate that is presented", () => {
  const renew = "kubectl -n cert-manager describe certificate,order,challenge";
  const inTheWay = "is another Gateway's host in the way\\? kubectl get gateways.networking.istio.io -A";
  const stillServed = "is the certificate of another issuer still served, or an intermediate missing in tls.crt?";

  it("fails when it has expired, or is not valid yet", async () => {
    const date = "20\\d\\d-\\d\\d-\\d\\dT[\\d:.]+Z";
    const expired = await issue(letsEncrypt, NAMES, { fromDays: -91, toDays: -1 });
    expect(await troublesOf({ presented: expired })).toEqual([
      expect.stringMatching(`^FAIL trust ${BASE}: expired on ${date} → ${renew}$`),
    ]);
    const early = await issue(letsEncrypt, NAMES, { fromDays: 1, toDays: 91 });
    expect(await troublesOf({ presented: early })).toEqual([
      expect.stringMatching(`^FAIL trust ${BASE}: not valid before ${date} → is this machine's clock right\\?$`),
    ]);
  });

  it("fails when it is for other names, also when only the wildcard is in it", async () => {
    const action = inTheWay.replaceAll("\\", "");
    expect(await troublesOf({ presented: await issue(letsEncrypt, ["*.example.org", "example.org"]) })).toEqual([
      `FAIL trust ${BASE}: for DNS:*.example.org, DNS:example.org, not for ${BASE} → ${action}`,
    ]);
    expect(await troublesOf({ presented: await issue(letsEncrypt, ["*.cluster.example.com"]) })).toEqual([
      `FAIL trust ${BASE}: for DNS:*.cluster.example.com, not for ${BASE} → ${action}`,
    ]);
  });

  it("fails when it has the name in its subject alone, where no browser looks", async () => {
    expect(await troublesOf({ presented: await issue(letsEncrypt, [], { subject: `CN=${BASE}` }) })).toEqual([
      `FAIL trust ${BASE}: for no name, not for ${BASE} → ${inTheWay.replaceAll("\\", "")}`,
    ]);
  });

  it("fails when its CA is not among the roots given", async () => {
    expect(await troublesOf({ presented: await issue(stranger, NAMES) })).toEqual([
      `FAIL trust ${BASE}: not trusted by the roots given: UNABLE_TO_GET_ISSUER_CERT_LOCALLY, issued by CN=Stranger Intermediate → ${stillServed}`,
    ]);
  });

  it("fails when its CA is unknown to Node, where no roots are given", async () => {
    const { https, ...rest } = await startWayIn(good);
    const asked = askedOf({ settings: settingsWith({ services: [] }), https, ...rest });
    const troubles = troublesIn(await checkHosts(asked, { source: sourceOf(good), balancer }));
    expect(troubles.filter((line) => line.includes("trust"))).toEqual([
      `FAIL trust ${BASE}: not trusted by Node's roots: UNABLE_TO_GET_ISSUER_CERT_LOCALLY, issued by CN=Trusted Intermediate → ${stillServed}`,
    ]);
  });

  it("fails when the intermediate is missing", async () => {
    const leafAlone = { ...good, cert: good.cert.slice(0, good.cert.indexOf("-----END CERTIFICATE-----") + 25) };
    expect(await troublesOf({ presented: leafAlone })).toEqual([
      `FAIL trust ${BASE}: not trusted by the roots given: UNABLE_TO_VERIFY_LEAF_SIGNATURE, issued by CN=Trusted Intermediate → ${stillServed}`,
    ]);
  });

  it("fails with every fault", async () => {
    expect(await troublesOf({ presented: await issue(stranger, ["example.org"]) })).toEqual([
      expect.stringMatching(
        `^FAIL trust ${BASE}: not trusted by .*; for DNS:example.org, not for ${BASE} → .*tls.crt\\?; ${inTheWay}$`,
      ),
    ]);
  });

  it.each([
    [
      "staging",
      "nobody trusts Let's Encrypt's staging: give its root with --roots, from https://letsencrypt.org/docs/staging-environment/, or set acme.server to production",
    ],
    ["https://acme.example.com/directory", "give the root of the ACME server's certificates with --roots"],
    [
      "ca",
      "the CA is the cluster's own: give its root with --roots, from kubectl -n cert-manager get secret cluster-issuer-ca -o jsonpath='{.data.tls\\.crt}' | base64 -d",
    ],
  ])("says how to trust what %s issues", async (server, way) => {
    const settings = { acme: { server, email: "platform@example.com" } };
    const [trouble] = await troublesOf({ presented: await issue(stranger, NAMES), settings });
    expect(trouble?.split(" → ")[1]).toBe(way);
  });

  it("fails when it is not the cluster's", async () => {
    const shown = "SHA-256 [0-9A-F:]{23}…";
    expect(await troublesOf({ source: await issue(letsEncrypt, NAMES) })).toEqual([
      expect.stringMatching(
        `^FAIL certificate ${BASE}: presents ${shown}, the cluster has ${shown} → a new copy takes seconds; ` +
          "then kubectl -n istio-system logs deployment/istiod, and kubectl get gateways.networking.istio.io -A$",
      ),
    ]);
  });
});

describe("TLS versions", () => {
  const old = { minVersion: "TLSv1", ciphers: "DEFAULT@SECLEVEL=0" } as const;
  const refresh =
    "pulumi refresh, and up; is another Gateway serving this host? kubectl get gateways.networking.istio.io -A";
  const handshake = (minTls: string, why: string) => [
    `FAIL handshake ${BASE}: no handshake with TLS ${minTls} or newer: ${why} → is the gateway up, with its Secret? ` +
      "kubectl -n istio-system get pods,gateways.networking.istio.io,secret/cert-manager-tls-wildcard-cluster; is any of the load balancer's backends healthy?",
    ...["trust", "certificate", "old TLS"].map(
      (name) => `skipped ${name} ${BASE}: needs the check "handshake", which failed`,
    ),
  ];

  it("fail when TLS 1.1 is accepted", async () => {
    expect(await troublesOf({ versions: old })).toEqual([
      `FAIL old TLS ${BASE}: TLSv1.1 is accepted; gateway.minTls is 1.2 → ${refresh}`,
    ]);
  });

  it("fail when TLS 1.2 is accepted and the settings say 1.3", async () => {
    expect(await troublesOf({ settings: { gateway: { minTls: "1.3" } } })).toEqual([
      `FAIL old TLS ${BASE}: TLSv1.2 is accepted; gateway.minTls is 1.3 → ${refresh}`,
    ]);
  });

  it("are not known where old ones meet silence", async () => {
    // A new handshake takes some milliseconds.
    expect(await troublesOf({ before: oldDropped, timeoutMs: 500 })).toEqual([
      `skipped old TLS ${BASE}: whether versions below 1.2 are refused is not known: no answer in time`,
    ]);
  });

  it("fail when nothing newer is to be had", async () => {
    const alert = "tlsv1 alert protocol version";
    expect(await troublesOf({ versions: { ...old, maxVersion: "TLSv1.1" } })).toEqual(handshake("1.2", alert));
    const settings = { gateway: { minTls: "1.3" } };
    expect(await troublesOf({ settings, versions: { maxVersion: "TLSv1.2" } })).toEqual(handshake("1.3", alert));
  });

  it("fail in time when the gateway accepts and is silent", async () => {
    expect(await troublesOf({ before: silentPort, timeoutMs: 500 })).toEqual(handshake("1.2", "no answer in time"));
  });
});
