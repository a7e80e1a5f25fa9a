import { AsyncResource } from "node:async_hooks";
import * as pulumi from "@pulumi/pulumi";

/**
 * A check that stops an operation before its resource is touched, on previews too, where nothing is lost yet. It sees
 * the inputs of this run and of the run before, which only the engine knows.
 *
 * @param name unique in the stack
 * @param check throws what the operator is told
 */
export const previewHook = (name: string, check: pulumi.ResourceHookFunction) =>
  // Bound, because the engine calls hooks from outside of the program, where no call to a provider is possible.
  new pulumi.ResourceHook(name, AsyncResource.bind(check), { onDryRun: true });
