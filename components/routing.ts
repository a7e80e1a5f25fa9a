import type { IGateway } from "@kubernetes-models/istio/networking.istio.io/v1/Gateway";
import type { IVirtualService } from "@kubernetes-models/istio/networking.istio.io/v1/VirtualService";
import { CustomResource } from "@pulumi/kubernetes/apiextensions/customResource.js";
import * as pulumi from "@pulumi/pulumi";
import type { Service } from "../settings/services.ts";
import { destinationRule, spokenTo } from "./destination.ts";

export interface TlsGatewayArgs {
  /** Namespace of the ingress gateway's pods, where istiod looks for the Secret. */
  readonly namespace: string;
  /** Labels of the ingress gateway's pods. */
  readonly selector: Readonly<Record<string, string>>;
  /** Hosts to serve: all DNS names of the certificate. */
  readonly hosts: readonly string[];
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
              hosts: [...args.hosts],
              tls: { httpsRedirect: true },
            },
            {
              port: { number: 443, name: "https", protocol: "HTTPS" },
              hosts: [...args.hosts],
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

/** The VirtualService of a service. */
export const virtualServiceName = (service: string) => `${service}-vs`;

export interface RoutesArgs {
  /** Namespace of the Gateway to attach to. */
  readonly gatewayNamespace: string;
  /** For how long browsers ask for HTTPS alone. @default - as the services say */
  readonly hstsSeconds: number | undefined;
  readonly services: readonly Service[];
}

/**
 * What is served: one VirtualService for each host, in the namespace of its Service, and beside the gateway a rule for each
 * Service that it does not speak HTTP/1.1 in clear to.
 */
export class Routes extends pulumi.ComponentResource {
  constructor(name: string, args: RoutesArgs, opts: pulumi.ComponentResourceOptions) {
    // Without the routes as inputs: one service more would otherwise show as a change of this component too.
    super("oke-platform:platform:Routes", name, {}, opts);

    for (const service of args.services) {
      new CustomResource(
        `${name}-${service.namespace}/${service.name}`,
        {
          apiVersion: "networking.istio.io/v1",
          kind: "VirtualService",
          metadata: { name: virtualServiceName(service.name), namespace: service.namespace },
          spec: {
            hosts: [service.host],
            gateways: [`${args.gatewayNamespace}/${GATEWAY}`],
            http: [
              {
                match: [{ uri: { prefix: "/" } }],
                route: [{ destination: { host: service.service, port: { number: service.port } } }],
                ...hsts(args.hstsSeconds),
                ...(service.timeoutSeconds !== undefined && { timeout: `${service.timeoutSeconds}s` }),
              },
            ],
          },
        } satisfies IVirtualService,
        { parent: this },
      );
    }
    for (const [key, ports] of spokenTo(args.services)) {
      const [namespace = "", service = ""] = key.split("/");
      destinationRule(`${name}-to-${key}`, [namespace, service], ports, args.gatewayNamespace, this);
    }

    this.registerOutputs();
  }
}

/** The header with which browsers are told to ask for HTTPS alone. */
export const HSTS = "Strict-Transport-Security";

/** Its value. https://www.rfc-editor.org/rfc/rfc6797#section-6.1 */
export const hstsValue = (seconds: number): string => `max-age=${seconds}`;

const hsts = (seconds: number | undefined) =>
  seconds === undefined ? {} : { headers: { response: { set: { [HSTS]: hstsValue(seconds) } } } };

/** Where a host goes. */
export interface RoutedHost {
  readonly host: string;
  readonly namespace: string;
  readonly service: string;
  readonly port: number;
}

/** The inputs of a VirtualService that its {@link RoutedHost} is in. */
export const ROUTE_INPUTS = ["spec.hosts", "spec.http", "metadata"] as const;

/** What a VirtualService with these inputs routes. */
export function routeOf({ metadata, spec }: Readonly<Record<string, unknown>>): RoutedHost {
  const { hosts, http } = spec as NonNullable<IVirtualService["spec"]>;
  const { host: service = "?", port } = http?.[0]?.route?.[0]?.destination ?? {};
  const { namespace = "?" } = metadata as { namespace?: string };
  return { host: hosts?.[0] ?? "?", namespace, service, port: port?.number ?? 0 };
}

/** Whether an input of the Gateway says which hosts it serves, by its path. */
export const isGatewayHosts = (path: string): boolean => /^spec\.servers\[\d+\]\.hosts/.test(path);

/** Whether an input of the Gateway is the lowest TLS version, by its path. */
export const isMinTls = (path: string): boolean => path.endsWith(".tls.minProtocolVersion");
