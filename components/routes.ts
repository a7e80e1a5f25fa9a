import type { IVirtualService } from "@kubernetes-models/istio/networking.istio.io/v1/VirtualService";
import { CustomResource } from "@pulumi/kubernetes/apiextensions/customResource.js";
import * as pulumi from "@pulumi/pulumi";
import type { Service } from "../settings/services.ts";
import { destinationRule, spokenTo } from "./destination.ts";
import { GATEWAY } from "./tls-gateway.ts";

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
