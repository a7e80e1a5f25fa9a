import { describe, expect, it } from "vitest";
import { warnings } from "../../settings/warnings.ts";
import { balanced, elsewhere, installed, type Raw, settingsOf, there } from "./stacks.ts";

const TODAY = new Date("2026-11-23");
const warningsOf = (changes: Raw) => warnings(settingsOf(changes), TODAY);

const everywhere = 'reflector.namespaces is "all": the certificate\'s private key is copied into every namespace';
const ends = (days: number) =>
  `cloudflare.tokenExpiresDays is ${days}: raise cloudflare.tokenSerial and run up before then, or renewals stop`;
const firstPhase =
  "vault.initialized is false: phase 1 of 2, Vault is installed and what needs it waits (on a running stack this takes certificate and Gateway down); after this up: npm run vault:init -- --stack <stack> --keys-file <file>";
const notCovered =
  "cloudflare.proxied is true: Cloudflare's own certificate covers *.example.com only; *.cluster.example.com needs a paid edge certificate";
const aroundIt =
  "cloudflare.proxied is true and loadBalancer.allowedCidrs lets everybody in: who finds the address out goes past Cloudflare, and all that it keeps away; allow its ranges alone, https://www.cloudflare.com/ips/";
const past = "Istio 1.26.4 is past its end of support, 2025-12-22; choose a newer version in charts";
const written = (address: string) =>
  `vault.address is ${address}: the run's token and the DNS token go there in plain HTTP, which whoever is on the way can read and answer; use https`;
const read = (address: string) =>
  `vault.clusterAddress is ${address}: External Secrets logs in and reads the DNS token there in plain HTTP, which whoever is on the way can read and answer; use https, or its name with .svc where it is a Service of the cluster`;
const mirrored = (repo: string, of = "certManager, reflector, istio, externalSecrets, vault") =>
  `charts of ${of} come from ${repo} in plain HTTP, which whoever is on the way can read and answer, with what then runs in the cluster; use https or oci`;
const openToAll = [
  'tenancy.routes is "all": whoever may make a VirtualService can answer for every host below cluster.example.com, those of services too, under the platform\'s certificate',
  'tenancy.certificates is "all": every namespace can have certificates of every name that the issuer can prove, cluster.example.com and its wildcard among them',
  'tenancy.secrets is "all": every namespace can read all that the store\'s role may read in Vault, the DNS token among it',
];
const supplied = { cloudflareApiToken: "s3same" };
const noToken = { acme: { server: "ca" } };

describe("warnings", () => {
  it.each<[what: string, changes: Raw, ...notes: string[]]>([
    ["nothing", {}],
    ["the key everywhere", { reflector: { namespaces: "all" } }, everywhere],
    ["a token that ends", { cloudflare: { tokenExpiresDays: 90 } }, ends(90)],
    ["a supplied token that ends", { ...supplied, cloudflare: { token: "supplied", tokenExpiresDays: 90 } }],
    ["a token that is not there and ends", { ...noToken, cloudflare: { token: "none", tokenExpiresDays: 90 } }],
    ["the first phase of an installed Vault", installed(), firstPhase],
    ["one that is initialised", installed({ initialized: true })],
    ["one that is there", there({ access: "managed" })],
    ...["http://vault.example.com:8200", "http://10.0.0.5:8200", "http://vault", "HTTP://vault.corp"].map(
      (address): [string, Raw, string] => [`Vault at ${address}`, there({ address }), written(address)],
    ),
    ...["http://127.0.0.1:8200", "http://localhost", "http://[::1]:8200", "http://127.9.9.9", "https://10.0.0.5"].map(
      (address): [string, Raw] => [`nothing of Vault at ${address}`, there({ address })],
    ),
    ...["http://vault.example.com:8200", "http://example.com", "http://vault.io", "http://10.0.0.5"].map(
      (clusterAddress): [string, Raw, string] => [
        `Vault for External Secrets at ${clusterAddress}`,
        there({ clusterAddress }),
        read(clusterAddress),
      ],
    ),
    ...[
      "http://vault.vault:8200",
      "http://vault.io.svc",
      "http://v.secrets.svc.cluster.local",
      "https://a.example",
    ].map((clusterAddress): [string, Raw] => [`nothing at ${clusterAddress}`, there({ clusterAddress })]),
    ["a mirror", { charts: { mirror: "http://charts.lan:8080/all" } }, mirrored("http://charts.lan:8080/all")],
    [
      "the sources of single charts",
      {
        charts: {
          mirror: "oci://registry.example.com",
          istio: { repo: "http://a.example" },
          vault: { repo: "http://b.example" },
          reflector: { repo: "http://a.example" },
        },
      },
      mirrored("http://a.example", "reflector, istio"),
      mirrored("http://b.example", "vault"),
    ],
    ...["http://localhost:8080", "http://127.0.0.1", "http://charts.mirror.svc", "/charts", "https://charts.lan"].map(
      (mirror): [string, Raw] => [`nothing of a mirror at ${mirror}`, { charts: { mirror } }],
    ),
    ["the proxy", { cloudflare: { proxied: true } }, notCovered, aroundIt],
    [
      "the proxy, and the world in two halves",
      { ...balanced({ allowedCidrs: ["0.0.0.0/1", "128.0.0.0/1"] }), cloudflare: { proxied: true } },
      notCovered,
      aroundIt,
    ],
    [
      "the proxy, and nobody beside it",
      { ...balanced({ allowedCidrs: ["173.245.48.0/20", "104.16.0.0/13"] }), cloudflare: { proxied: true } },
      notCovered,
    ],
    [
      "the proxy with a supplied token",
      { ...supplied, cloudflare: { token: "supplied", proxied: true } },
      notCovered,
      aroundIt,
    ],
    [
      "the proxy where its own certificate covers the hosts",
      { baseDomain: "example.com", cloudflare: { proxied: true } },
      aroundIt,
    ],
    ["the proxy without a load balancer", { ...elsewhere, cloudflare: { proxied: true } }],
    ["the proxy without a token", { ...noToken, cloudflare: { token: "none", proxied: true } }],
    ["what is open to nobody", { tenancy: { routes: "platform", certificates: [], secrets: "platform" } }],
    [
      "what is open to some",
      { tenancy: { routes: ["b", "a"], certificates: ["apps"], secrets: ["apps"] } },
      "tenancy.routes is open to a, b: what they answer for any host below cluster.example.com that services does not have is served under the platform's certificate",
      "tenancy.certificates is open to apps: they can have certificates of every name that the issuer can prove, cluster.example.com and its wildcard among them",
      "tenancy.secrets is open to apps: they can read all that the store's role may read in Vault, the DNS token among it",
    ],
    ["what is open to all", { tenancy: { routes: "all", certificates: "all", secrets: "all" } }, ...openToAll],
    [
      "all at once",
      {
        reflector: { namespaces: "all" },
        cloudflare: { tokenExpiresDays: 1, proxied: true },
        ...installed(),
        tenancy: { routes: "all", certificates: "all", secrets: "all" },
        charts: { certManager: { version: "v1.20.0" }, istio: { version: "1.26.4" } },
      },
      everywhere,
      ends(1),
      firstPhase,
      notCovered,
      aroundIt,
      ...openToAll,
      past,
    ],
  ])("about %s", (_what, changes, ...notes) => {
    expect(warningsOf(changes)).toEqual(notes);
  });
});
