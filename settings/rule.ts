/**
 * A rule over several fields. It is asked when all that it reads is sound, so that no mistake follows from another;
 * and of several about one key the first is told, so that their order counts.
 *
 * @typeParam Given what it reads of a stack's values; true to its type only where they are sound
 */
export interface Rule<Given> {
  /** The key that it is about, as `pulumi config set --path` spells it. It is read, too. */
  readonly key: string;
  /** The other keys that it reads. */
  readonly reads: readonly string[];
  /** Whether it is broken. */
  readonly when: (given: Given) => boolean;
  /** What is allowed then; completes the sentence "allowed: …". */
  readonly allowed: string | ((given: Given) => string);
}

/** What a mistake's line says, and of which key. */
export interface Refusal {
  readonly key: string;
  readonly allowed: string;
  /** What stands there. @default - what the stack says, or nothing */
  readonly value?: unknown;
}

/** Whether no mistake was found in any of the keys, or in what they are part of. */
export type Sound = (...keys: string[]) => boolean;

/** A place in a stack as `pulumi config set --path` spells it: `loadBalancer.allowedCidrs[1]`, `a["b.c"]`. */
export const spelled = (path: readonly (string | number)[]) =>
  path
    .map((part, at) => {
      if (typeof part === "number") return `[${part}]`;
      if (part === "" || /[.[\]"\s]/.test(part)) return `[${JSON.stringify(part)}]`;
      return at > 0 ? `.${part}` : part;
    })
    .join("");
