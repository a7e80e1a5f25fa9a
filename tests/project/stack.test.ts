import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { examples } from "../../project/placeholders.ts";
import { projectDirectory, readStack } from "../../project/stack.ts";

// What a stack's file means. That the engine hands over the same is tests/engine/stack.test.ts; here is what it says.

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "oke-stack-"));
});
afterAll(() => rm(directory, { recursive: true }));
beforeEach(() => writeFile(join(directory, "Pulumi.yaml"), "name: oke-platform\nruntime: nodejs\n"));

const write = (text: string, file = "Pulumi.test.yaml") => writeFile(join(directory, file), text);
const read = (placeholders: Record<string, string> = {}) => readStack("test", directory, placeholders);

/** What is read of one value. */
async function textOf(value: string): Promise<string | undefined> {
  await write(`config:\n  key: ${value}\n`);
  return (await read()).values["oke-platform:key"];
}

describe("a value", () => {
  it.each([
    ["text", "text"],
    ["yes", "yes"],
    ["on", "on"],
    ["True", "true"],
    ["null", ""],
    ["~", ""],
    ["", ""],
    ['""', ""],
    ["{}", "{}"],
    ["[]", "[]"],
    ["5", "5"],
    ['"5"', "5"],
    ["0777", "511"],
    ["0o17", "15"],
    ["089", "89"],
    ["0189", "189"],
    ["0x1F", "31"],
    ["-0b11", "-3"],
    ["1_000", "1000"],
    ["1.50", "1.5"],
    ["1.0", "1"],
    ["-0.0", "0"],
    ["1e3", "1000"],
    ["1e21", "1e+21"],
    // Too much for a float is text, too much for 64 bits a float.
    ["1e999", "1e999"],
    ["9007199254740993", "9007199254740993"],
    ["18446744073709551615", "18446744073709551615"],
    ["18446744073709551616", "18446744073709552000"],
    ["0xFFFFFFFFFFFFFFFFF", "0xFFFFFFFFFFFFFFFFF"],
    ["1.2.3", "1.2.3"],
    ["12:30:45", "12:30:45"],
    ["2026-1-2", "2026-01-02 00:00:00 +0000 UTC"],
    ["2026-02-30", "2026-02-30"],
    ["2001-12-14t21:59:43.10-05:00", "2001-12-14 21:59:43.1 -0500 -0500"],
    ["2001-12-14 21:59:43.10", "2001-12-14 21:59:43.1 +0000 UTC"],
    ["2001-12-14T21:59:43", "2001-12-14T21:59:43"],
    ["'2026-01-02'", "2026-01-02"],
    ["!!str 5", "5"],
    ["!!binary aGVsbG8=", "hello"],
    ["|\n    a\n     b\n\n    c", "a\n b\n\nc\n"],
    [">-\n    a\n    b", "a b"],
    // The line break that a block begins with is lost when the CLI writes the file down, but not what cannot be a block.
    ["|\n\n    a\n", "a\n"],
    ['"\\na "', "\na "],
  ])("that is written %j is handed over as %j", async (value, text) => {
    expect(await textOf(value)).toBe(text);
  });

  it.each([
    [
      "the keys in the order of their bytes",
      "{z: 1, a: 2, é: 3, Z: 4, 😀: 5, ﬀ: 6}",
      '{"Z":4,"a":2,"z":1,"é":3,"ﬀ":6,"😀":5}',
    ],
    [
      "keys that are no text",
      "{8080: a, true: b, ~: c, 0x1F: d}",
      '{"31":"d","8080":"a","\\u003cnil\\u003e":"c","true":"b"}',
    ],
    ["nothing as null", "[~, null, '', {a: }]", '[null,null,"",{"a":null}]'],
    [
      "numbers as they are",
      "[0777, 1.0, 9007199254740993, 18446744073709551615]",
      "[511,1,9007199254740993,18446744073709552000]",
    ],
    ["nothing that HTML would read", "['<&>', \"\\u2028\"]", '["\\u003c\\u0026\\u003e","\\u2028"]'],
    ["dates as text", "[2026-11-27]", '["2026-11-27 00:00:00 +0000 UTC"]'],
    ["what is merged below what is said", "{b: 1, <<: {a: 2, b: 3}}", '{"a":2,"b":1}'],
    ["aliases as what they stand for", "[&a {b: 1}, *a]", '[{"b":1},{"b":1}]'],
    ["a map named secure as a map", "{secure: 5}", '{"secure":5}'],
  ])("that is a list or a map is JSON, with %s", async (_what, value, text) => {
    expect(await textOf(value)).toBe(text);
  });

  it("may be an alias as often as one likes", async () => {
    await write(`config:\n  a: &a {b: 1}\n  key: [${"*a, ".repeat(200)}]\n`);
    expect(JSON.parse((await read()).values["oke-platform:key"] ?? "")).toHaveLength(200);
  });
});

describe("a key", () => {
  it("is the project's where it says nothing else", async () => {
    await write("config: {domain: a, 'oke-platform:size': b, 'aws:config:region': c, '12:30': d}");
    expect((await read()).values).toEqual({
      "oke-platform:domain": "a",
      "oke-platform:size": "b",
      "aws:region": "c",
      "12:30": "d",
    });
  });

  it("has the project's value where the stack says nothing, but not where it says null", async () => {
    const declared = "a: {default: 1}, b: short, c: {default: {x: y}}, d: {description: none}, 'aws:e': {value: [1]}";
    await write(`name: other\nconfig: {${declared}, f: {default: 5}, g: {default: 6}}`, "Pulumi.yaml");
    await write("config: {f: , other:g: 7}");
    expect((await read()).values).toEqual({
      "other:a": "1",
      "other:b": "short",
      "other:c": '{"x":"y"}',
      "aws:e": "[1]",
      "other:f": "",
      "other:g": "7",
    });
  });

  it.each([
    ["a:b:c: 1", "a:b:c is no key of a configuration; allowed: <name> or <namespace>:<name>"],
    ["domain: a\n  oke-platform:domain: b", "oke-platform:domain is there twice; remove one"],
    ["domain: a\n  domain: b", "Map keys must be unique at line 3, column 3:"],
    ["5: a", "the key 5 is no text"],
    ["[a]", '["a"] stands where a map belongs'],
    ["a: [.inf]", "Infinity is no value that JSON can say"],
    ["a: !!int x", '"x" is no int at line 2, column 6:'],
  ])("is refused in %j", async (config, mistake) => {
    await write(`config:\n  ${config}\n`);
    await expect(read()).rejects.toThrow(new Error(`Pulumi.test.yaml: ${mistake}`));
  });
});

describe("a secret", () => {
  it("is sealed, wherever it is in a value", async () => {
    await write(`config:
  top: {secure: v1:a}
  map: {a: [{b: {secure: v1:b}}], c: 1}
  clear: {secure: v1:c, d: 1}
  'vault:token': {secure: v1:d}`);
    const secrets = ["oke-platform:top", "oke-platform:map", "vault:token"];
    expect(await read()).toEqual({
      values: {
        "oke-platform:top": "[secret]",
        "oke-platform:map": "[secret]",
        "oke-platform:clear": '{"d":1,"secure":"v1:c"}',
        "vault:token": "[secret]",
      },
      secrets,
      sealed: secrets,
    });
  });
});

describe("placeholders", () => {
  it("are replaced however deep, where something is given for them", async () => {
    await write("config: {a: <zone>, b: [{c: <zone>, d: <e-mail>, <zone>: toString}], e: toString}");
    expect((await read({ "<zone>": "example.com" })).values).toEqual({
      "oke-platform:a": "example.com",
      "oke-platform:b": '[{"\\u003czone\\u003e":"toString","c":"example.com","d":"\\u003ce-mail\\u003e"}]',
      "oke-platform:e": "toString",
    });
  });

  it("are all known that the shipped stacks have", async () => {
    for (const stack of ["prod", "fresh", "lab"])
      expect(JSON.stringify((await readStack(stack, projectDirectory, examples)).values)).not.toMatch(/<|\\u003c/);
  });
});

describe("a stack's file", () => {
  it("is found by the stack's own name, in the directory that the project names", async () => {
    for (const where of ["stackConfigDir: stacks", "config: stacks"]) {
      await write(`name: oke-platform\n${where}\n`, "Pulumi.yaml");
      await mkdir(join(directory, "stacks"), { recursive: true });
      await write("\ufeffconfig: {a: 1}\n---\nconfig: {a: 2}\n", "stacks/Pulumi.there.yaml");
      expect((await readStack("org/oke-platform/there", directory, {})).values).toEqual({ "oke-platform:a": "1" });
    }
  });

  it.each(["", "encryptionsalt: v1:a", "config:", "config: {}", "environment: []"])(
    "may say nothing: %j",
    async (text) => {
      await write(text);
      expect(await read()).toEqual({ values: {}, secrets: [], sealed: [] });
    },
  );

  it("is missed with its project", async () => {
    await expect(readStack("nowhere", directory)).rejects.toThrow(
      new Error(`Pulumi.nowhere.yaml is not in ${directory}; a stack is named by its file, prod by Pulumi.prod.yaml`),
    );
    await expect(readStack("prod", join(directory, "stacks"))).rejects.toThrow(
      /^Pulumi\.yaml is not in .*; every stack belongs to a project, whose file that is$/,
    );
  });
});

describe("a file that imports environments", () => {
  /** Puts a `pulumi` on PATH, and nothing else but the shell's own. */
  async function standIn(script: string) {
    await write(`#!/bin/sh\necho "$PWD $*" >'${directory}/log'\n${script}\n`, "pulumi");
    await chmod(join(directory, "pulumi"), 0o755);
    vi.stubEnv("PATH", directory);
    return async () => (await readFile(join(directory, "log"), "utf8")).trim();
  }
  const told = {
    "oke-platform:domain": { value: "example.com", secret: false },
    "oke-platform:cluster": { value: '{"context":"kind"}', objectValue: { context: "kind" }, secret: false },
    "oke-platform:size": { value: "", secret: false },
    "oke-platform:cloudflareApiToken": { secret: true },
  };

  it.each(["[shared/prod]", "{imports: [shared/prod]}", "{values: {}}"])(
    "is read by the CLI: %s",
    async (environment) => {
      const log = await standIn(`echo '${JSON.stringify(told)}'`);
      try {
        await write(`environment: ${environment}\nconfig: {domain: ignored}`);
        expect(await readStack("org/test", directory)).toEqual({
          values: {
            "oke-platform:domain": "example.com",
            "oke-platform:cluster": '{"context":"kind"}',
            "oke-platform:size": "",
            "oke-platform:cloudflareApiToken": "[secret]",
          },
          secrets: ["oke-platform:cloudflareApiToken"],
          sealed: ["oke-platform:cloudflareApiToken"],
        });
        expect(await log()).toBe(`${directory} config --json --open --stack org/test --non-interactive`);
      } finally {
        vi.unstubAllEnvs();
      }
    },
  );

  it.each([
    ["which is not on PATH; https://www.pulumi.com/docs/install/", undefined],
    [
      "which says: error: PULUMI_ACCESS_TOKEN must be set for login; pulumi whoami tells who is logged in",
      "echo 'error: PULUMI_ACCESS_TOKEN must be set for login' >&2; exit 255",
    ],
  ])("cannot be read without the CLI, %s", async (why, script) => {
    if (script === undefined) vi.stubEnv("PATH", "/nowhere");
    else await standIn(script);
    try {
      await write("environment: [shared/prod]");
      await expect(read()).rejects.toThrow(
        new Error(`Pulumi.test.yaml imports environments, so that its values come from the Pulumi CLI, ${why}`),
      );
    } finally {
      vi.unstubAllEnvs();
    }
  });
});
