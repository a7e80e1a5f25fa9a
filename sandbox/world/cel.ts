// The expressions of admission policies, CEL, as far as policies are written in it here: what is not known is an error, and
// no guess. https://github.com/google/cel-spec/blob/master/doc/langdef.md, and for `?` and `.orValue`
// https://github.com/google/cel-go/wiki/Optional-Types

type Scope = Readonly<Record<string, unknown>>;
type Expression = (scope: Scope) => unknown;

/** A value that may be there. */
class Optional {
  readonly value: unknown;
  readonly isThere: boolean;

  constructor(isThere: boolean, value?: unknown) {
    this.isThere = isThere;
    this.value = value;
  }
}
const NONE = new Optional(false);

const parsed = new Map<string, Expression>();

/**
 * What an expression comes to.
 *
 * @throws {Error} where CEL would end with an error, or what it says is not known here
 */
export function evaluate(source: string, scope: Scope): unknown {
  const known = parsed.get(source) ?? parse(source);
  parsed.set(source, known);
  return known(scope);
}

const TOKENS =
  /\s*(?:("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(\d+)|([A-Za-z_]\w*)|(&&|\|\||[=!<>]=|\.\?|\[\?|[-+?:.,!<>()[\]{}]))/y;

/** A text in quotes, a number, a name or a sign, in this order. */
type Token = { readonly kind: "text" | "number" | "name" | "sign"; readonly is: string };

function tokensOf(source: string): Token[] {
  const kinds = ["text", "number", "name", "sign"] as const;
  const tokens: Token[] = [];
  for (let at = 0; source.slice(at).trim() !== ""; at = TOKENS.lastIndex) {
    TOKENS.lastIndex = at;
    const found = TOKENS.exec(source)?.slice(1) ?? [];
    const which = found.findIndex((part) => part !== undefined);
    if (which < 0) throw new Error(`CEL: ${source.slice(at, at + 20).trim()} is not understood`);
    tokens.push({ kind: kinds[which] as Token["kind"], is: found[which] as string });
  }
  return tokens;
}

function parse(source: string): Expression {
  const tokens = tokensOf(source);
  let at = 0;
  const isNext = (...signs: string[]) => tokens[at]?.kind !== "text" && signs.includes(tokens[at]?.is ?? "");
  const took = (...signs: string[]) => (isNext(...signs) ? (tokens[at++] as Token).is : undefined);
  const take = (sign: string) => {
    if (took(sign) === undefined) throw new Error(`CEL: ${sign} is missing before ${tokens[at]?.is ?? "the end"}`);
  };
  const listed = <T>(end: string, item: () => T): T[] => {
    const items: T[] = [];
    while (took(end) === undefined) {
      items.push(item());
      if (!isNext(end)) take(",");
    }
    return items;
  };

  const expression = (): Expression => {
    const condition = binary(0);
    if (took("?") === undefined) return condition;
    const yes = expression();
    take(":");
    const no = expression();
    return (scope) => (condition(scope) === true ? yes(scope) : no(scope));
  };
  const binary = (level: number): Expression => {
    const signs = LEVELS[level];
    if (signs === undefined) return unary();
    let left = binary(level + 1);
    for (let sign = took(...signs); sign !== undefined; sign = took(...signs)) {
      const [first, second, of] = [left, binary(level + 1), OPERATORS[sign] as Operator];
      left = (scope) =>
        of(
          () => first(scope),
          () => second(scope),
        );
    }
    return left;
  };
  const unary = (): Expression => {
    if (took("!") === undefined) return postfix();
    const operand = unary();
    return (scope) => !operand(scope);
  };
  const postfix = (): Expression => {
    let value = primary();
    for (;;) {
      const target = value;
      const sign = took(".", ".?", "[", "[?");
      if (sign === undefined) return value;
      if (sign.startsWith("[")) {
        const key = expression();
        take("]");
        value =
          sign === "[" ? (scope) => selected(target(scope), key(scope)) : (scope) => sought(target(scope), key(scope));
        continue;
      }
      const name = (tokens[at++] as Token).is;
      if (sign === ".?") value = (scope) => sought(target(scope), name);
      else if (took("(") === undefined) value = (scope) => selected(target(scope), name);
      else value = called(target, name, listed(")", expression));
    }
  };
  const primary = (): Expression => {
    const token = tokens[at++];
    if (token === undefined) throw new Error("CEL: it ends too early");
    const { kind, is } = token;
    if (kind === "text") return constant(JSON.parse(is.startsWith("'") ? `"${is.slice(1, -1)}"` : is));
    if (kind === "number") return constant(Number(is));
    if (is === "(") {
      const inner = expression();
      take(")");
      return inner;
    }
    if (is === "[") return whole(listed("]", expression), (items) => items);
    if (is === "{") {
      const entries = listed("}", () => {
        const key = expression();
        take(":");
        return [key, expression()];
      });
      return whole(entries.flat(), (items) => mapOf(items));
    }
    if (is in CONSTANTS) return constant(CONSTANTS[is]);
    if (kind !== "name") throw new Error(`CEL: ${is} is not understood`);
    return Object.assign((scope: Scope) => selected(scope, is), { variable: is });
  };

  const all = expression();
  if (at < tokens.length) throw new Error(`CEL: ${tokens[at]?.is} comes too much`);
  return all;
}

const CONSTANTS: Readonly<Record<string, unknown>> = { true: true, false: false, null: null };

/** What is always the same is made once: tables are long, and are asked often. */
const constant = (value: unknown): Expression => Object.assign(() => value, { isConstant: true });
const isConstant = (expression: Expression) => "isConstant" in expression;

function whole(parts: readonly Expression[], made: (items: unknown[]) => unknown): Expression {
  if (parts.every(isConstant)) return constant(made(parts.map((part) => part({}))));
  return (scope) => made(parts.map((part) => part(scope)));
}

const mapOf = (items: readonly unknown[]) =>
  Object.fromEntries(items.flatMap((key, at) => (at % 2 === 0 ? [[String(key), items[at + 1]]] : [])));

const isMap = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Optional);

/** A member that must be there. */
function selected(of: unknown, key: unknown): unknown {
  if (of instanceof Optional) return of.isThere ? sought(of.value, key) : NONE;
  const found = sought(of, key);
  if (!found.isThere) throw new Error(`CEL: no such key: ${String(key)}`);
  return found.value;
}

/** A member that may be missing, as may what it is a member of. */
function sought(of: unknown, key: unknown): Optional {
  if (of instanceof Optional) return of.isThere ? sought(of.value, key) : NONE;
  const isThere = (isMap(of) || Array.isArray(of)) && Object.hasOwn(of, key as string);
  return isThere ? new Optional(true, (of as Scope)[key as string]) : NONE;
}

type Operator = (left: () => unknown, right: () => unknown) => unknown;

/** From those that bind least. */
const LEVELS = [["||"], ["&&"], ["==", "!=", "in"], ["+", "-"]];
const OPERATORS: Readonly<Record<string, Operator>> = {
  "||": (left, right) => left() === true || right() === true,
  "&&": (left, right) => left() === true && right() === true,
  "==": (left, right) => equal(left(), right()),
  "!=": (left, right) => !equal(left(), right()),
  in: (left, right) => {
    const within = right();
    if (Array.isArray(within)) return within.some((item) => equal(item, left()));
    return isMap(within) && Object.hasOwn(within, String(left()));
  },
  "+": (left, right) => {
    const [a, b] = [left(), right()];
    if (typeof a === "string" && typeof b === "string") return a + b;
    throw new Error("CEL: no such overload: +");
  },
  "-": (left, right) => Number(left()) - Number(right()),
};

const equal = (a: unknown, b: unknown): boolean => {
  if (a instanceof Optional && b instanceof Optional) return a.isThere === b.isThere && equal(a.value, b.value);
  return JSON.stringify(sorted(a)) === JSON.stringify(sorted(b));
};
const sorted = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(sorted);
  if (!isMap(value)) return value;
  return Object.fromEntries(
    Object.keys(value)
      .sort()
      .map((key) => [key, sorted(value[key])]),
  );
};

/** Macros: the first argument names each item in the second. */
const MACROS: Readonly<Record<string, (items: unknown[], of: (item: unknown) => unknown) => unknown>> = {
  exists: (items, of) => items.some((item) => of(item) === true),
  filter: (items, of) => items.filter((item) => of(item) === true),
  map: (items, of) => items.map(of),
};

const FUNCTIONS: Readonly<Record<string, (of: never, ...values: never[]) => unknown>> = {
  size: (of: unknown[] | string) => of.length,
  startsWith: (of: string, start: string) => of.startsWith(start),
  endsWith: (of: string, end: string) => of.endsWith(end),
  lowerAscii: (of: string) => of.toLowerCase(),
  substring: (of: string, from: number, to?: number) => of.slice(from, to),
  or: (of: Optional, other: Optional) => (of.isThere ? of : other),
  orValue: (of: Optional, other: unknown) => (of.isThere ? of.value : other),
};

function called(target: Expression, name: string, values: readonly Expression[]): Expression {
  const macro = MACROS[name];
  if (macro !== undefined) {
    const [variable = "", of] = [(values[0] as { variable?: string } | undefined)?.variable, values[1] as Expression];
    return (scope) => {
      const items = target(scope);
      if (!Array.isArray(items)) throw new Error(`CEL: ${name} of what is no list`);
      return macro(items, (item) => of({ ...scope, [variable]: item }));
    };
  }
  const of = FUNCTIONS[name] as ((of: unknown, ...values: unknown[]) => unknown) | undefined;
  if (of === undefined) throw new Error(`CEL: ${name} is not known here`);
  return (scope) => of(target(scope), ...values.map((value) => value(scope)));
}
