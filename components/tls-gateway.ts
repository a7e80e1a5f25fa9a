import type { IGateway } from "@kubernetes-models/istio/networking.istio.io/v1/Gateway";
import { CustomResource } from "@pulumi/kubernetes/apiextensions/customResource.js";
import * as pulumi from "@pulumi/pulumi";
import type { Settings } from "../settings/settings.ts";

export interface TlsGatewayArgs extends Pick<Settings, "baseDomain" | "hosts" | "services" | "tenancy"> {
  /** Namespace of the ingress gateway's pods, where istiod looks for the Secret. */
  readonly namespace: string;
  /** Labels of the ingress gateway's pods. */
  readonly selector: Readonly<Record<string, string>>;
  /** The certificate, with the Secret that holds it and its key. */
  readonly certificate: { readonly secretName: string };
  /** Lowest TLS version that is accepted. */
  readonly minTls: "1.2" | "1.3";
}

/** The Gateway, in the namespace of the ingress gateway's pods. */
export const GATEWAY = "istio-gateway";

/** Where TLS ends: HTTPS on 443 with the wildcard certificate, and a redirect to it on 80. */
export class TlsGateway extends pulumi.ComponentResource {
  constructor(name: string, args: TlsGatewayArgs, opts: pulumi.ComponentResourceOptions) {
    // Without the services as inputs: only a new namespace changes anything here.
    super("oke-platform:platform:TlsGateway", name, {}, opts);

    new CustomResource(
      name,
      {
        apiVersion: "networking.istio.io/v1",
        kind: "Gateway",
        metadata: { name: GATEWAY, namespace: args.namespace },
        spec: {
          selector: args.selector,
          servers: [
            {
              port: { number: 80, name: "http", protocol: "HTTP" },
              // Plain: bound to namespaces, hosts that nobody routes would answer 404 in the place of the redirect.
              hosts: [...args.hosts],
              tls: { httpsRedirect: true },
            },
            {
              port: { number: 443, name: "https", protocol: "HTTPS" },
              hosts: servedHosts(args),
              tls: {
                mode: "SIMPLE",
                credentialName: args.certificate.secretName,
                minProtocolVersion: args.minTls === "1.3" ? "TLSV1_3" : "TLSV1_2",
              },
            },
          ],
        },
      } satisfies IGateway,
      { parent: this },
    );

    this.registerOutputs();
  }
}

/**
 * The hosts on 443, each with the namespace whose VirtualServices may have it. Never one service's host: the names here are
 * what Envoy knows a connection by, and a new one among them drains every connection that is open, which a namespace more
 * does not.
 */
export function servedHosts({
  baseDomain: base,
  hosts,
  namespace: own,
  services,
  tenancy,
}: Pick<TlsGatewayArgs, "baseDomain" | "hosts" | "namespace" | "services" | "tenancy">): string[] {
  if (tenancy.routes === "all") return [...hosts];
  // The gateway's own is always there, so that the wildcard stays when the last service goes.
  const namespaces = new Set([own, ...services.map(({ namespace }) => namespace), ...tenancy.routes]);
  const atBase = services.find(({ host }) => host === base);
  // The base domain itself is always there, too, for its handshake to be answered.
  const basesOwners = atBase === undefined ? new Set([".", ...tenancy.routes]) : new Set([atBase.namespace]);
  return [
    ...[...namespaces].sort().map((namespace) => `${namespace}/*.${base}`),
    ...[...basesOwners].map((namespace) => `${namespace}/${base}`),
  ];
}

/** Whether an input of the Gateway says which hosts it serves, by its path. */
export const isGatewayHosts = (path: string): boolean => /^spec\.servers\[\d+\]\.hosts/.test(path);

/** Whether an input of the Gateway is the lowest TLS version, by its path. */
export const isMinTls = (path: string): boolean => path.endsWith(".tls.minProtocolVersion");
