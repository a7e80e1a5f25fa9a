import { isCustomResource } from "../../project/immutable.ts";
import { type Properties, plain, SECRET, SIGNATURE } from "../../project/registration.ts";
import type { Item, Request } from "../world/state.ts";
import type { World } from "../world/world.ts";
import { cloudflare } from "./cloudflare.ts";
import { customResource, kubernetes } from "./kubernetes.ts";
import type { Answer, ResourceModel } from "./model.ts";
import { oci } from "./oci.ts";
import { vault } from "./vault.ts";

// All resource types and functions of the program, as the provider that the real engine calls and the replay of
// recorded programs both ask for them.

const parts = [kubernetes, oci, cloudflare, vault];
const models: Record<string, ResourceModel> = Object.assign({}, ...parts.map((part) => part.models));
const invokes: Record<string, Answer> = Object.assign({}, ...parts.map((part) => part.invokes));

/** @throws for a type that the sandbox has no model of */
export function modelOf(type: string): ResourceModel {
  const model = models[type] ?? (isCustomResource(type) ? customResource(type.split(":").at(-1) ?? "") : undefined);
  if (model === undefined) throw new Error(`the sandbox has no model of ${type}; add one to sandbox/plugin`);
  return model;
}

/**
 * What the world is asked for.
 *
 * @param name the resource's own name, for what has none in its inputs
 * @param secret the value of a secret that the cloud makes
 */
export function requestOf(type: string, inputs: Properties, name: string, secret: string): Request {
  const { kind, request } = modelOf(type);
  return { kind, ...request(inputs, name, secret) };
}

/** What a resource has beside its inputs. */
export function outputsOf(type: string, inputs: Properties, item: Item, made: string): Properties {
  const { outputs, secrets = [] } = modelOf(type);
  const added = outputs?.(plain(inputs), item, made) ?? {};
  const marked = ([key, value]: [string, unknown]) => [
    key,
    secrets.includes(key) ? { [SIGNATURE]: SECRET, value } : value,
  ];
  return Object.fromEntries(Object.entries(added).map(marked));
}

/** Seconds until the provider gives up waiting for what it made. */
export const deadlineOf = (type: string, inputs: Properties, timeoutSeconds: number | undefined): number =>
  modelOf(type).deadline?.(inputs) ?? timeoutSeconds ?? 600;

/**
 * Answers an invoke from what is there.
 *
 * @throws as the provider does, when there is no such thing
 */
export function invoke(world: World, token: string, args: Properties): Properties {
  const answer = invokes[token];
  if (answer === undefined) throw new Error(`the sandbox has no answer to ${token}; add one to sandbox/plugin`);
  return answer(world, args);
}
