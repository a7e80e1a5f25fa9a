// The words in which settings/chart-ownership.ts says what of a chart's values is the program's.

/** A place in a chart's values; an expression stands for every key that it matches. */
export type ValuePath = readonly (string | RegExp)[];

/** A value that the program decides. */
export interface Owned {
  readonly at: ValuePath;
  /** What would be undone; completes "nothing: …". */
  readonly because: string;
  /** The setting that says it in the chart's place. A takeover reproduces by it what it finds; without one it cannot. */
  readonly setting?: string;
  /** What the program itself says there, or the chart where it says nothing; it may be repeated. */
  readonly is?: unknown;
  /** Only texts that it matches are the program's. @default - everything is */
  readonly having?: RegExp;
  /** Whether it is the program's only where `loadBalancer` is set. */
  readonly balanced?: true;
}

/** A value that the operator's and the program's are merged in, where Helm would let one of them replace the other. */
export interface Merged {
  readonly at: readonly string[];
  /** `yaml`: a map in text, key by key. `list`: the program's items, then the operator's. */
  readonly as: "yaml" | "list";
}

/** What of a chart's values is the program's. */
export interface Ownership {
  readonly owned: readonly Owned[];
  readonly merged?: readonly Merged[];
  /** Keys below which the chart reads all of its values again, as if they stood at its top. */
  readonly alsoBelow?: readonly string[];
}

export const own = (at: string, because: string, more: Omit<Owned, "at" | "because"> = {}): Owned => ({
  at: at.split("."),
  because,
  ...more,
});
export const ownAt = (at: ValuePath, because: string, more: Omit<Owned, "at" | "because"> = {}): Owned => ({
  at,
  because,
  ...more,
});
export const named = (...keys: string[]) =>
  keys.map((key) => own(key, "objects of the chart are looked for by the names that they have without it"));

export const CRDS = "the program's own objects are of these kinds, and outlive a destroy by them";
export const NAMESPACE = "the program says where everything is";
