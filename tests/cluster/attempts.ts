import type { Manifest } from "./api-server.ts";

// What somebody tries who wants what is the platform's, and what the API server then says.

export const route = (
  at: string,
  hosts: string[],
  more: { name?: string; gateway?: string; version?: string } = {},
): Manifest => ({
  apiVersion: `networking.istio.io/${more.version ?? "v1"}`,
  kind: "VirtualService",
  metadata: { name: more.name ?? "web", namespace: at },
  spec: {
    hosts,
    gateways: [more.gateway ?? "istio-system/istio-gateway"],
    http: [{ route: [{ destination: { host: "web", port: { number: 80 } } }] }],
  },
});

export const ISSUER = { kind: "ClusterIssuer", name: "cluster-issuer-letsencrypt" };
const request = Buffer.from("-----BEGIN CERTIFICATE REQUEST-----\n-----END CERTIFICATE REQUEST-----\n").toString(
  "base64",
);
export const signed = (at: string, issuerRef: object = ISSUER): Manifest[] => {
  const metadata = { name: "tls", namespace: at };
  return [
    {
      apiVersion: "cert-manager.io/v1",
      kind: "Certificate",
      metadata,
      spec: { secretName: "tls", dnsNames: ["www.example.com"], issuerRef },
    },
    { apiVersion: "cert-manager.io/v1", kind: "CertificateRequest", metadata, spec: { request, issuerRef } },
    { apiVersion: "acme.cert-manager.io/v1", kind: "Order", metadata, spec: { request, issuerRef } },
    {
      apiVersion: "acme.cert-manager.io/v1",
      kind: "Challenge",
      metadata,
      spec: {
        issuerRef,
        type: "DNS-01",
        dnsName: "example.com",
        url: "https://acme.example.com/1",
        authorizationURL: "https://acme.example.com/2",
        token: "t",
        key: "k",
        solver: { dns01: { cloudflare: { apiTokenSecretRef: { name: "cloudflare-token-secret", key: "api-token" } } } },
      },
    },
  ];
};

export const denied = (object: string, policy: string, says: string) =>
  `403 ${object} is forbidden: ValidatingAdmissionPolicy '${policy}' with binding '${policy}' denied request: ${says}`;
const web = 'virtualservices.networking.istio.io "web"';
export const taken = (host: string, at: string, owner: string) =>
  denied(
    web,
    "oke-platform-routes",
    `${host} is not for namespace ${at}: services gives it to namespace ${owner}. Take another host, or have whoever runs the platform change its entry in services`,
  );
export const notGiven = (host: string, at: string) =>
  denied(
    web,
    "oke-platform-routes",
    `${host} is not for namespace ${at}: on this Gateway every host below cluster.example.com is the platform's, and services gives this one to nobody. Have whoever runs the platform add an entry to services, or ${at} to tenancy.routes`,
  );
