import type { IGateway } from "@kubernetes-models/istio/networking.istio.io/v1/Gateway";
import type { IVirtualService } from "@kubernetes-models/istio/networking.istio.io/v1/VirtualService";
import { CustomResource } from "@pulumi/kubernetes/apiextensions/customResource.js";
import * as pulumi from "@pulumi/pulumi";

export interface TlsGatewayArgs {
  /** Namespace of the ingress gateway's pods, where istiod looks for the Secret. */
  readonly namespace: string;
  /** Labels of the ingress gateway's pods. */
  readonly selector: Readonly<Record<string, string>>;
  /** Hosts to serve: all DNS names of the certificate. */
  readonly hosts: string[];
  /** The Secret with certificate and key. */
  readonly secretName: string;
  /** Lowest TLS version that is accepted. */
  readonly minTls: "1.2" | "1.3";
}

/** The Gateway, in the namespace of the ingress gateway's pods. */
export const GATEWAY = "istio-gateway";

/** What a VirtualService names to be served by the Gateway, `<namespace>/<name>`. */
export const gatewayReference = (namespace: string) => `${namespace}/${GATEWAY}`;

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
              hosts: args.hosts,
              tls: { httpsRedirect: true },
            },
            {
              port: { number: 443, name: "https", protocol: "HTTPS" },
              hosts: args.hosts,
              tls: {
                mode: "SIMPLE",
                credentialName: args.secretName,
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

/** The VirtualService of a route. */
export const virtualServiceName = (route: string) => `${route}-vs`;

/** A Service in the cluster, and the host that it is to answer for. */
interface Route {
  /** Names the VirtualService, `<name>-vs`. */
  readonly name: string;
  /** The Service's namespace; the VirtualService stands in it too. */
  readonly namespace: string;
  /** The Service's name. */
  readonly service: string;
  /** The Service's port. */
  readonly port: number;
  readonly host: string;
}

export interface RoutesArgs {
  /** The Gateway to attach to, `<namespace>/<name>`. */
  readonly gateway: string;
  readonly routes: readonly Route[];
}

/** What is served: one VirtualService for each host, in the namespace of its Service. */
export class Routes extends pulumi.ComponentResource {
  constructor(name: string, args: RoutesArgs, opts: pulumi.ComponentResourceOptions) {
    // Without the routes as inputs: one service more would otherwise show as a change of this component too.
    super("oke-platform:platform:Routes", name, {}, opts);

    for (const route of args.routes) {
      new CustomResource(
        `${name}-${route.namespace}/${route.name}`,
        {
          apiVersion: "networking.istio.io/v1",
          kind: "VirtualService",
          metadata: { name: virtualServiceName(route.name), namespace: route.namespace },
          spec: {
            hosts: [route.host],
            gateways: [args.gateway],
            http: [
              {
                match: [{ uri: { prefix: "/" } }],
                route: [{ destination: { host: route.service, port: { number: route.port } } }],
              },
            ],
          },
        } satisfies IVirtualService,
        { parent: this },
      );
    }

    this.registerOutputs();
  }
}
