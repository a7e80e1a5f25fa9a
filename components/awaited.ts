import { CustomResource } from "@pulumi/kubernetes/apiextensions/customResource.js";
import type * as pulumi from "@pulumi/pulumi";

interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata?: { readonly name?: string; readonly namespace?: string };
  readonly spec?: object;
}

/**
 * A custom resource that is done when its controller says so: an `up` that ends has a Ready one.
 *
 * Without `waitFor` the provider returns as soon as the object is stored
 * (https://github.com/pulumi/pulumi-kubernetes/releases/tag/v4.18.0).
 *
 * @param timeoutSeconds when to give up; never left out, since the wait has been seen to hang
 * (https://github.com/pulumi/pulumi-kubernetes/issues/4521)
 * @param annotations of the object, beside the one that asks for the wait
 */
export function awaited<T extends Manifest>(
  name: string,
  manifest: T,
  timeoutSeconds: number,
  opts: pulumi.CustomResourceOptions,
  annotations: Record<string, pulumi.Input<string>> = {},
): CustomResource {
  const timeout = `${timeoutSeconds}s`;
  return new CustomResource(
    name,
    {
      ...manifest,
      metadata: {
        ...manifest.metadata,
        annotations: { ...annotations, "pulumi.com/waitFor": "condition=Ready" },
      },
    },
    { ...opts, customTimeouts: { create: timeout, update: timeout } },
  );
}
