import type { Properties } from "../../project/registration.ts";
import type { Item, Request } from "../world/state.ts";
import type { World } from "../world/world.ts";

// What the provider's protocol needs of a resource type: how it is asked of the world, and what is said of the answer.

export interface ResourceModel {
  /** The world's word for it. */
  readonly kind: string;
  /**
   * What the world is asked for.
   *
   * @param name the resource's own name, for what has none in its inputs
   * @param secret the value of a secret that the cloud makes
   */
  request(inputs: Properties, name: string, secret: string): Omit<Request, "kind">;
  /** What the provider adds to the inputs. */
  outputs?(inputs: Properties, item: Item, secret: string): Properties;
  /** Outputs that only the cloud knows. */
  readonly computed?: readonly string[];
  /** Outputs that are secrets. */
  readonly secrets?: readonly string[];
  /** What a refresh finds in the world in the place of the inputs. */
  refreshed?(item: Item): Properties;
  /** The inputs of an object that is imported. @default - what a refresh finds */
  imported?(item: Item, type: string): Properties;
  /** Seconds until the provider gives up waiting for it. @default - those of the resource's options, or 600 */
  deadline?(inputs: Properties): number;
}

/** The answer to an invoke from what is there; it throws as the provider does when there is no such thing. */
export type Answer = (world: World, args: Properties) => Properties;

/** A package's part that stands for one system. */
export interface PluginPart {
  /** By Pulumi's resource type. */
  readonly models: Readonly<Record<string, ResourceModel>>;
  /** By the function's token. */
  readonly invokes: Readonly<Record<string, Answer>>;
}

/** A map of an input. */
export const at = (inputs: Properties, key: string) => (inputs[key] ?? {}) as Properties;

export const text = (value: unknown) => (value === undefined ? undefined : String(value));

/**
 * @throws with the refusal when there is none
 */
export function find(items: Item[], fits: (item: Item) => boolean, refusal: string): Item {
  const found = items.find(fits);
  if (found === undefined) throw new Error(refusal);
  return found;
}
