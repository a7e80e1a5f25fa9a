import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { projectDirectory } from "../../project/stack.ts";
import { fields } from "../../settings/schema.ts";
import { type Field, settings } from "../../workbench/docs/fields.ts";
import { staleDocuments } from "../../workbench/docs.ts";

const FILES = ["docs/configuration.md", "Pulumi.yaml", "stack.schema.json"];

describe("what is made from the settings' fields", () => {
  it("is not stale; npm run docs writes it", async () => {
    expect((await staleDocuments()).map(({ file }) => file)).toEqual([]);
  });

  describe("in a copy", () => {
    let copy: string;
    beforeAll(async () => {
      copy = await mkdtemp(join(tmpdir(), "oke-platform-docs-"));
      await mkdir(join(copy, "docs"));
    });
    afterAll(() => rm(copy, { recursive: true }));

    it.each(FILES)("is stale with another word in %s, and is made as it was", async (file) => {
      for (const each of FILES) await cp(join(projectDirectory, each), join(copy, each));
      const right = await readFile(join(copy, file), "utf8");
      await writeFile(join(copy, file), right.replace("Cloudflare zone", "Cloudflare area"));
      expect(await staleDocuments(copy)).toEqual([{ file, content: right }]);
    });

    it("keeps what else Pulumi.yaml says", async () => {
      const shipped = await readFile(join(projectDirectory, "Pulumi.yaml"), "utf8");
      const description = /^ {4}description: .*$/gm;
      await writeFile(join(copy, "Pulumi.yaml"), shipped.replaceAll(description, "    description: other"));
      const made = (await staleDocuments(copy)).find(({ file }) => file === "Pulumi.yaml");
      expect(made?.content).toBe(shipped);
    });
  });
});

describe("each setting", () => {
  const all = (key: string, field: Field): [string, Field][] => {
    const { type } = field;
    if (type.kind === "list") return [[key, field], ...all(`${key}[]`, type.item).slice(1)];
    const inner = type.kind === "map" ? Object.entries(type.entries) : [];
    return [[key, field], ...inner.flatMap(([name, it]) => all(`${key}.${name}`, it))];
  };
  const every = Object.entries(settings).flatMap(([key, field]) => all(key, field));

  it("has one sentence or more, and says what happens without it", () => {
    expect(
      every.filter(([, { sentence, isRequired, unset, byDefault }]) => {
        const says = isRequired || unset !== undefined || byDefault !== undefined;
        return !says || !/^[A-Za-z"-].*\.$/.test(sentence ?? "");
      }),
    ).toEqual([]);
  });

  it("has a row in docs/configuration.md", async () => {
    const page = await readFile(join(projectDirectory, "docs/configuration.md"), "utf8");
    expect(every.filter(([key]) => !page.includes(`\`${key}\``)).map(([key]) => key)).toEqual([]);
  });

  it("stands in Pulumi.yaml, where the tokens alone are secrets", async () => {
    const { config } = parse(await readFile(join(projectDirectory, "Pulumi.yaml"), "utf8"));
    expect(Object.keys(config)).toEqual(Object.keys(fields));
    expect(Object.keys(config).filter((key) => config[key].secret)).toEqual([
      "acmeEabHmacKey",
      "cloudflareApiToken",
      "chartsPassword",
    ]);
    // Without one the CLI itself would stop at the first key that a stack does not set.
    expect(Object.keys(config).filter((key) => config[key].default === undefined)).toEqual([]);
  });
});
