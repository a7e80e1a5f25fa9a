import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import * as pulumi from "@pulumi/pulumi";
import { LocalWorkspace, PulumiCommand, type Stack } from "@pulumi/pulumi/automation/index.js";
import fc from "fast-check";
import { afterAll, beforeAll, expect, it } from "vitest";
import { readStack } from "../../project/stack.ts";
import { findEngine } from "../../sandbox/engine.ts";
import { SEALED } from "../../settings/fields.ts";

// What is read of a stack without the engine is what the engine hands to the program: on files of many values each, made
// at random of what YAML can say and of what its parsers disagree about.

let directory: string;
let stack: Stack;
/** What the last run of the program was handed. */
let handed: { values: Record<string, string>; secrets: string[] };
/** A secret of the stack, and what the engine needs to read it. */
let ciphertext: string;
let salt: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "oke-stack-"));
  const { path } = await findEngine();
  // The Automation API looks for `bin/pulumi` below a root.
  await mkdir(join(directory, "bin"));
  await mkdir(join(directory, "state"));
  await symlink(path, join(directory, "bin/pulumi"));
  await writeFile(join(directory, "Pulumi.yaml"), "name: oke-platform\nruntime: nodejs\n");
  const env = {
    PULUMI_BACKEND_URL: `file://${join(directory, "state")}`,
    PULUMI_CONFIG_PASSPHRASE: "test",
    PULUMI_HOME: join(directory, "home"),
    PULUMI_SKIP_UPDATE_CHECK: "true",
    // Go writes a date with the zone's name where it is in the machine's own zone.
    TZ: "UTC",
  };
  stack = await LocalWorkspace.createOrSelectStack(
    {
      stackName: "test",
      projectName: "oke-platform",
      program: async () => {
        const values = pulumi.runtime.allConfig();
        const { isConfigSecret } = pulumi.runtime as unknown as { isConfigSecret(key: string): boolean };
        handed = { values, secrets: Object.keys(values).filter((key) => isConfigSecret(key)) };
        return {};
      },
    },
    { workDir: directory, pulumiCommand: await PulumiCommand.get({ root: directory }), envVars: env },
  );
  const setting = promisify(execFile)(path, ["config", "set", "key", "--secret", "--stack", "test"], {
    cwd: directory,
    env: { ...process.env, ...env },
  });
  setting.child.stdin?.end("s3same");
  await setting;
  const file = await readFile(join(directory, "Pulumi.test.yaml"), "utf8");
  ciphertext = /secure: (\S+)/.exec(file)?.[1] ?? "";
  salt = /encryptionsalt: \S+/.exec(file)?.[0] ?? "";
  expect([ciphertext, salt]).not.toContain("");
});
afterAll(() => rm(directory, { recursive: true, force: true }));

/** Runs the program on a stack's file, and reads the same file without the engine. */
async function bothReadings(config: string, project = "", stacks = ".") {
  await writeFile(join(directory, "Pulumi.yaml"), `name: oke-platform\nruntime: nodejs\n${project}`);
  await mkdir(join(directory, stacks), { recursive: true });
  await writeFile(join(directory, stacks, "Pulumi.test.yaml"), `${salt}\nconfig:\n${config}`);
  await stack.preview();
  const { values, secrets, sealed } = await readStack("test", directory, {});
  // What is secret is read there, and here not.
  const unread = Object.fromEntries(handed.secrets.map((key) => [key, SEALED]));
  return {
    engine: { values: { ...handed.values, ...unread }, secrets: handed.secrets.toSorted() },
    ours: { values, secrets: secrets.toSorted() },
    sealed,
  };
}

/** Writes a value behind its key, with what belongs to it indented so far. */
type Write = (indent: string) => string;

const isPlain = (text: string) => !/^(-|\.\.\.|---)$|^- |^:|:$|: | #|^\s|\s$|^[-+]?\.(inf|nan)$/i.test(text);
const tokens = `~ null Null true True TRUE false yes no on off y n 0 00 07 08 0777 -0777 +0o17 0o18 0x1F 0XfF 0b101 -0b1 1_000 1__0 _1 +5
  -5 1.0 1. .5 +.5 -.5 -0 -0.0 1e3 1E-7 1e21 1e22 123456789.125 1e999 1e-999 9007199254740993 9223372036854775807 9223372036854775808
  -9223372036854775808 -9223372036854775809 18446744073709551615 18446744073709551616 +9223372036854775808 0xFFFFFFFFFFFFFFFF
  0x1FFFFFFFFFFFFFFFF 2026-11-27 2026-1-2 2026-02-30 2026-13-01 0777-01-01 2001-12-14t21:59:43.10-05:00 2001-12-15T2:59:43.1Z
  2001-12-15T02:59:43+00:00 2001-12-14T21:59:43 12:30:45 190:20:30 1.2.3 v1.31.4 <zone> = << a<b`;
const plains = fc.oneof(
  fc.constantFrom(...tokens.split(/\s+/), "2001-12-14 21:59:43.10", "2001-12-14 21:59:43 +01:00", "a b", "é 日本 😀"),
  // What looks like a number, a date or a constant, and mostly is none.
  fc.string({ unit: fc.constantFrom(..."0123456789+-._eExXobTZtfnul~:"), minLength: 1, maxLength: 9 }),
  fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }).map(String),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
  fc.date({ noInvalidDate: true, min: new Date(0), max: new Date("9999-01-01") }).map((date) => date.toISOString()),
);

const escaped = (text: string) =>
  `"${[...text].map((it) => (/[ !#-[\]-~]/.test(it) ? it : `\\U${it.codePointAt(0)?.toString(16).padStart(8, "0")}`)).join("")}"`;
const quoted = fc.oneof(
  fc.string({ unit: "binary" }).map(escaped),
  fc.string({ unit: fc.constantFrom(..." \n\u2028\r\u0000a#:-'|>%@\"\\") }).map(escaped),
  fc.string({ unit: "grapheme" }).map(escaped),
  fc.string({ unit: "grapheme-ascii" }).map((text) => `'${text.replaceAll("'", "''")}'`),
  plains.map((text) => JSON.stringify(text)),
);
const others = fc.constantFrom(
  "*base",
  "{<<: *base, a: 2}",
  "{a: 2, <<: [*other, *base]}",
  "{secure: 5}",
  "{secure: [x]}",
  "{secure: x, a: y}",
  "!!str 5",
  '!!int "0x1F"',
  "!!float 5",
  "!!binary aGVsbG8=",
  "!!timestamp 2026-11-27",
  "!mine 5",
);
const keys = fc.constantFrom(
  ..."a b z Z 10 9 -1 0x7 1_5 true no null 2026-11-27 é 日本 😀 ﬀ '<&>' '5'".split(" "),
  "' a '",
  '"\\u2028\\n\\""',
  '"\\nq"',
);

const { value } = fc.letrec<{ flow: string; value: Write }>((tie) => ({
  flow: fc.oneof(
    { maxDepth: 2 },
    plains.filter((text) => isPlain(text) && !/[,[\]{}]/.test(text)),
    quoted,
    fc.array(tie("flow"), { maxLength: 3 }).map((items) => `[${items.join(", ")}]`),
    mapOf(tie("flow")).map((entries) => `{${entries.map(([key, item]) => `${key}: ${item}`).join(", ")}}`),
  ),
  value: fc.oneof(
    { maxDepth: 3 },
    fc.oneof(tie("flow"), plains.filter(isPlain), others).map((text) => () => ` ${text}`),
    fc.constantFrom("", " # nothing").map((text) => () => text),
    fc
      .tuple(
        fc.constantFrom("|", "|-", "|+", ">", ">-", ">+"),
        fc.array(fc.constantFrom("", "a", "b: c", " d", "# e", "- f")),
      )
      .map(
        ([style, lines]) =>
          (indent: string) =>
            [` ${style}`, ...["x", ...lines].map((line) => indent + line)].join("\n"),
      ),
    fc
      .array(tie("value"), { minLength: 1, maxLength: 3 })
      .map((items) => (indent: string) => items.map((item) => `\n${indent}-${item(`${indent}  `)}`).join("")),
    mapOf(tie("value"), 1).map(
      (entries) => (indent: string) =>
        entries.map(([key, item]) => `\n${indent}${key}:${item(`${indent}  `)}`).join(""),
    ),
    fc.constant((indent: string) => `\n${indent}secure: ${ciphertext}`),
  ),
}));

function mapOf<T>(item: fc.Arbitrary<T>, minLength = 0) {
  return fc.uniqueArray(fc.tuple(keys, item), { minLength, maxLength: 4, selector: ([key]) => key });
}

const namespaces = fc.constantFrom("", "oke-platform:", "oke-platform:config:", "aws:");

/** A file with many values, some of which are others again. */
const files = fc
  .array(fc.tuple(namespaces, value), { minLength: 100, maxLength: 200 })
  .map((values) =>
    [
      "  base: &base {a: 0777, b: [1.0, no]}\n  other: &other {b: 2026-11-27, c: ~}\n",
      ...values.map(([namespace, write], at) => `  ${namespace}k${at}:${write("    ")}\n`),
    ].join(""),
  );

it("is what the engine hands over, whatever a file says", async () => {
  const property = fc.asyncProperty(files, async (file) => {
    const { engine, ours } = await bothReadings(file);
    expect(ours).toEqual(engine);
  });
  // A file is not made smaller: which of its values differs is told with it.
  await fc.assert(property, { numRuns: 15, endOnFailure: true });
});

it("is it with what the project says, for the stacks in a directory of its own", async () => {
  const project = `
stackConfigDir: stacks
config:
  said: by the project
  oke-platform:octal: {default: 0777}
  text: {description: a text, default: ""}
  map: {default: {z: <a>, a: [1.50, yes]}}
  list: [1, two]
  none: {default: []}
  aws:region: eu
  aws:map: {value: {b: 1}}
  both: {default: project}
  empty: {default: project}
  hidden: {default: project}
`;
  const config = `  both: stack\n  empty:\n  hidden:\n    secure: ${ciphertext}\n`;
  const { engine, ours, sealed } = await bothReadings(config, project, "stacks");
  expect(ours).toEqual(engine);
  expect(Object.keys(ours.values)).toHaveLength(11);
  expect([ours.secrets, sealed]).toEqual([["oke-platform:hidden"], ["oke-platform:hidden"]]);
});

it.each([
  ["a key twice", "  a: 1\n  a: 2\n"],
  ["a key twice, once in quotes", '  a: {1: x, "1": y}\n'],
  ["a key of three names", "  a:b:c: 1\n"],
  ["a key that is no text", "  1: x\n"],
  ["what JSON cannot say", "  a: [.nan]\n"],
  ["a list for the whole", "  - a\n"],
  ["a text for the whole", "  a\n"],
  ["an alias of nothing", "  a: *b\n"],
  ["a tag that does not fit", "  a: !!int x\n"],
  ["what is no YAML", "  a: [\n"],
])("is refused by both for %s", async (_what, config) => {
  await expect(bothReadings(config)).rejects.toThrow("Command failed");
  await expect(readStack("test", directory, {})).rejects.toThrow(/^Pulumi\.test\.yaml: /);
});
