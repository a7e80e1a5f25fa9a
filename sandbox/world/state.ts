import { createHash } from "node:crypto";

// What the world is made of. All of it is one JSON value, so that it can live in a file, as a cloud's objects outlive
// the tool that made them.

export type Spec = Record<string, unknown>;

/** What is asked of one of the systems. */
export interface Request {
  readonly kind: string;
  readonly namespace?: string | undefined;
  readonly name: string;
  readonly spec: Spec;
}

/** An object of one of the systems. */
export interface Item {
  kind: string;
  /** Empty for what has none. */
  namespace: string;
  name: string;
  id: string;
  spec: Spec;
  /** What its system adds. */
  status: Spec;
  ready: boolean;
  /** Why it is not ready, as its system says it. */
  reason: string;
  /** Changes with each update, and so outdates the timers of before. */
  generation: number;
  removing: boolean;
}

/** Something that will happen to an object by itself. */
export interface Timer {
  at: number;
  what: string;
  key: string;
  generation: number;
  /** How often it was tried, or which part of a sequence comes. */
  step: number;
}

/** All that there is. Time is virtual, in seconds. */
export interface State {
  now: number;
  random: number;
  items: Record<string, Item>;
  timers: Timer[];
  /** Certificates issued and validations failed, as the ACME server counts them. */
  acme: { at: number; hosts: string; failed: boolean; issuer: string }[];
  /** What must never be, and was. */
  violations: string[];
  /** Where the certificate's key may be. */
  keyMayBeIn: string[];
  /** Hosts that must be served at every moment from now on. @default - none */
  alwaysServed?: string[];
  /** Keys of objects that nothing ever comes of, but that can be removed. */
  broken: string[];
  /** What fails once: `create <kind>`, `update <kind>`, `remove <kind>` or `sync ExternalSecret`. */
  faults: string[];
  /**
   * The create at which the engine dies, by its number from now or by the object's key, of several the first: before it,
   * or when the object is made and not yet reported.
   */
  crash?: { at: number | string | readonly string[]; inside: boolean };
}

/** A refusal in the words of the system that refuses. */
export class Refusal extends Error {}

export const keyOf = ({ kind, namespace = "", name }: Omit<Request, "spec">) => `${kind} ${namespace}/${name}`;

export const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

/** Whether this is what is to fail once; then it is not any more. */
export function fails({ faults }: Pick<State, "faults">, operation: string, kind: string): boolean {
  const at = faults.indexOf(`${operation} ${kind}`);
  if (at >= 0) faults.splice(at, 1);
  return at >= 0;
}

/** A number from 0 to 1; the same sequence for the same seed. Mulberry32, in the public domain. */
export function nextRandom(state: Pick<State, "random">): number {
  state.random = (state.random + 0x6d2b79f5) | 0;
  let t = Math.imul(state.random ^ (state.random >>> 15), 1 | state.random);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
}

/** Seconds until the next try: they double from the first wait to the longest. */
export const backoff = (first: number, longest: number, tries: number) => Math.min(first * 2 ** tries, longest);

export const HOUR = 3600;
