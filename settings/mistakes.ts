import * as v from "valibot";
import { withoutCredentials } from "./addresses.ts";
import { refusedValues } from "./chart-values.ts";
import { PROJECT, type StackConfig, valuesOf } from "./config.ts";
import { isEmpty, isRecord, SEALED, unmarked } from "./fields.ts";
import { insteadOf } from "./not-offered.ts";
import { type Refusal, spelled } from "./rule.ts";
import { fields, type Given, rules, schema, secretKeys } from "./schema.ts";
import { refusedServices } from "./services.ts";
import { kindAdvice } from "./wrong-kinds.ts";

/** What a stack says, true to its type where there are no mistakes; and one line for each mistake, sorted by key. */
export function judge(config: StackConfig): { given: Given; mistakes: string[] } {
  const marked = markedBy(config);
  const set = Object.fromEntries(
    Object.entries(valuesOf(config)).filter(
      ([key, value]) => !marked.includes(key) && !(Object.hasOwn(fields, key) && isEmpty(value)),
    ),
  );
  const mistakes = new Map<string, string>();
  // The first complaint about a value says what is wrong with it; a later one would only follow from it.
  const add = (key: string, mistake: string) => mistakes.has(key) || mistakes.set(key, mistake);
  const sound = (...keys: string[]) =>
    ![...mistakes.keys()].some((wrong) => keys.some((key) => `${key}.`.startsWith(`${wrong}.`)));
  const refuse = ({ key, allowed, value = valueAt(set, key) }: Refusal) => {
    add(key, `is ${value === undefined ? "missing" : shown(key, JSON.stringify(value))}; allowed: ${allowed}`);
  };

  for (const key of marked)
    add(
      key,
      "is stored as a secret, but goes in clear into the cluster and the state; take the mark off, and keep what is secret in Vault or in a Secret of the cluster",
    );
  for (const [name, setting] of Object.entries(set)) {
    // What is no setting may be a secret with its key misspelled, and has no value to be put there.
    for (const [key, value] of Object.hasOwn(fields, name) ? placeholdersIn([name], setting) : [])
      add(key, `still holds the placeholder ${shown(key, value)}; put your own value there`);
    if (secretKeys.includes(name) && !config.secrets.includes(`${PROJECT}:${name}`))
      add(
        name,
        "stands in clear in the stack's file; set it with pulumi config set --secret, and revoke this one where it was made",
      );
  }
  const parsed = v.safeParse(schema, set);
  for (const issue of parsed.issues ?? []) {
    const instead = insteadOf(keyOf(issue));
    if (issue.type === "never" && instead !== undefined)
      add(keyOf(issue), `is out of what this program does: ${instead}`);
    else if (issue.type === "never") add(keyOf(issue), `is no setting; allowed: ${issue.message}`);
    else {
      const key = keyOf(issue);
      // Some of it repeats the value.
      const advice = isSecret(key) ? undefined : kindAdvice(issue);
      refuse({
        key,
        allowed: advice === undefined ? issue.message : `${issue.message}; ${advice}`,
        value: issue.input,
      });
    }
  }
  const given = parsed.output as Given;
  for (const { key, reads, when, allowed } of rules)
    if (sound(key, ...reads) && when(given))
      refuse({ key, allowed: typeof allowed === "string" ? allowed : allowed(given) });
  for (const refused of [refusedValues, refusedServices]) for (const refusal of refused(given, sound)) refuse(refusal);
  return { given, mistakes: [...mistakes].map(([key, mistake]) => `  ${PROJECT}:${key} ${mistake}`).sort() };
}

/** The keys of ours that are secrets and must not be. Their values are looked at no further, so that none is shown. */
const markedBy = ({ secrets }: StackConfig) =>
  Object.keys(fields).filter((key) => !secretKeys.includes(key) && secrets.includes(`${PROJECT}:${key}`));

const partsOf = (key: string) => key.match(/[^.[\]]+/g) ?? [];

const valueAt = (set: Record<string, unknown>, key: string) =>
  partsOf(key).reduce<unknown>(
    (at, part) => (typeof at === "object" && at !== null && Object.hasOwn(at, part) ? at[part as never] : undefined),
    set,
  );

/** `loadBalancer.allowedCidrs[1]`, as `pulumi config set --path` spells it. */
const keyOf = ({ path }: v.BaseIssue<unknown>) =>
  spelled((path ?? []).map(({ key }) => (typeof key === "number" ? key : unmarked(String(key)))));

const isSecret = (key: string) => secretKeys.includes(partsOf(key)[0] ?? "");

/** A value as a message shows it: not at length, and never a secret or a private key. */
function shown(key: string, value: string): string {
  if (isSecret(key)) return SEALED;
  if (value.includes("PRIVATE KEY")) return "[a private key]";
  const safe = withoutCredentials(value);
  return safe.length > 100 ? `${safe.slice(0, 100)}…` : safe;
}

/** The values that still stand as in the shipped examples, `<…>`, each with its key. */
function placeholdersIn(path: readonly (string | number)[], value: unknown): [key: string, value: string][] {
  if (typeof value === "string") return /^<[^<>]+>$/.test(value) ? [[spelled(path), value]] : [];
  if (Array.isArray(value)) return value.flatMap((item, index) => placeholdersIn([...path, index], item));
  return isRecord(value) ? Object.entries(value).flatMap(([name, item]) => placeholdersIn([...path, name], item)) : [];
}
