import { AsyncResource } from "node:async_hooks";
import * as pulumi from "@pulumi/pulumi";

// Hooks are bound, because the engine calls them from outside of the program, where no call to a provider is possible and
// nothing can be logged.

/**
 * A check that stops an operation before its resource is touched, on previews too, where nothing is lost yet. It sees
 * the inputs of this run and of the run before, which only the engine knows.
 *
 * @param name unique in the stack
 * @param check throws what the operator is told
 */
export const previewHook = (name: string, check: pulumi.ResourceHookFunction) =>
  new pulumi.ResourceHook(name, AsyncResource.bind(check), { onDryRun: true });

/**
 * What happens when an operation has failed.
 *
 * @param name unique in the stack
 * @param handle returns whether the operation is tried once more
 */
export const errorHook = (name: string, handle: pulumi.ErrorHookFunction) =>
  new pulumi.ErrorHook(name, AsyncResource.bind(handle));

/**
 * Gives a hook to resources of the whole stack, behind those that they have.
 *
 * To be called before the first of them is registered.
 *
 * @param wants whether a resource gets it, by its type and inputs
 */
export function hookAll(
  hooks: { onError: pulumi.ErrorHook } | { beforeUpdate: pulumi.ResourceHook },
  wants: (type: string, inputs: object) => boolean,
): void {
  void pulumi.runtime.registerStackTransformation(({ type, props, opts }) => {
    if (!wants(type, props)) return undefined;
    const { hooks: own = {} } = opts as pulumi.CustomResourceOptions;
    const added =
      "onError" in hooks
        ? { onError: [...(own.onError ?? []), hooks.onError] }
        : { beforeUpdate: [...(own.beforeUpdate ?? []), hooks.beforeUpdate] };
    return { props, opts: { ...opts, hooks: { ...own, ...added } } };
  });
}
