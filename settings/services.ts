/** What is routed: one host to one Service. */
export interface Service {
  /** Names the VirtualService. */
  readonly name: string;
  readonly namespace: string;
  /** Name of the Kubernetes Service. */
  readonly service: string;
  readonly port: number;
  readonly host: string;
}
