import { access, readdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { projectDirectory } from "../project/stack.ts";
import { supportedKubernetes } from "../settings/support.ts";
import { charts } from "../versions.ts";

// The documents, as far as a machine can read them: that they are short, and that what they name is there.

const read = (file: string) => readFile(join(projectDirectory, file), "utf8");
const pages = (await readdir(join(projectDirectory, "docs"))).filter((file) => file.endsWith(".md")).sort();
const documents = await Promise.all(
  [
    ...["README.md", "README.ko.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"],
    ...pages.map((page) => `docs/${page}`),
    ...[".github/pull_request_template.md", ".github/ISSUE_TEMPLATE/bug.yml", ".github/ISSUE_TEMPLATE/idea.yml"],
  ].map(async (file) => ({ file, text: await read(file) })),
);
const exists = (path: string) =>
  access(join(projectDirectory, path)).then(
    () => true,
    () => false,
  );

/** What stands in a text as code. */
const codeOf = (text: string) => (text.match(/^```[\s\S]*?^```|`[^`\n]+`/gm) ?? []).join("\n");

/** What GitHub calls a heading in a link. */
const anchorOf = (heading: string) =>
  heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
    .replaceAll(" ", "-");

/** The headings of a page, as links name them; a `#` in a code block is none. */
const anchorsOf = (text: string) =>
  [...text.replaceAll(/^```[\s\S]*?^```/gm, "").matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) => anchorOf(heading));

describe("the documents", () => {
  it.each(["README.md", "README.ko.md"])("%s is read in one sitting", async (file) => {
    const lines = (await read(file)).trimEnd().split("\n");
    expect(lines.length).toBeLessThanOrEqual(220);
    expect(lines.filter((line) => line.length > 400)).toEqual([]);
  });

  it("say in their first sentence who needs them", () => {
    const others = documents.filter(({ file }) => /^(docs\/|[A-Z]+\.md)/.test(file) && !/^README|\.ko\.md$/.test(file));
    const openings = others.map(({ file, text }) => ({ file, opening: /^# .+\n\n(.*)/.exec(text)?.[1] }));
    expect(openings.filter(({ opening = "" }) => !/^For who(m)?ever .+[.:]/.test(opening))).toEqual([]);
  });

  it("name the Kubernetes that the default charts support", async () => {
    const known = supportedKubernetes({ istio: charts.istio.version, certManager: charts.certManager.version });
    const [first, last] = [
      Math.max(...known.map((release) => release.first)),
      Math.min(...known.map((release) => release.last)),
    ];
    expect(await read("README.md")).toContain(`Kubernetes 1.${first} to 1.${last}`);
    expect(await read("README.ko.md")).toContain(`Kubernetes 1.${first}~1.${last}`);
    expect(await read("docs/from-argocd.md")).toContain(`Kubernetes 1.${first} to 1.${last}`);
    expect(await read("renovate.json")).toContain(`1.${last} is the newest that the default charts support`);
  });

  it("show commands that there are", async () => {
    const { scripts } = JSON.parse(await read("package.json"));
    const named = documents.flatMap(({ file, text }) =>
      [...codeOf(text).matchAll(/npm (?:run (?:--silent )?)?([a-z][\w:]*)/g)].map(([, name = ""]) => ({ file, name })),
    );
    expect(named.length).toBeGreaterThan(50);
    expect(named.filter(({ name }) => !(name in scripts) && name !== "ci")).toEqual([]);
  });

  it("link to pages and headings that are there", async () => {
    const broken: string[] = [];
    for (const { file, text } of documents) {
      for (const [, target = ""] of text.matchAll(/\]\((?!https?:|<)([^)\s]+)\)/g)) {
        const [path = "", anchor] = target.split("#");
        // Issue forms are shown at another address than they have.
        const found =
          path === "" ? file : path.startsWith("../blob/main/") ? path.slice(13) : join(dirname(file), path);
        const isThere = await exists(found);
        const hasAnchor = anchor === undefined || (isThere && anchorsOf(await read(found)).includes(anchor));
        if (!isThere || !hasAnchor) broken.push(`${file}: ${target}`);
      }
    }
    expect(broken).toEqual([]);
  });

  it("name files that are there", async () => {
    const folders = ["components", "docs", "project", "sandbox", "settings", "tests", "tools", "workbench"].join("|");
    const path = new RegExp(`^(?:\\.ci|\\.github|(?:${folders}))/[\\w./-]*$|^[a-z]+\\.(?:ts|json|toml)$`);
    const missing: string[] = [];
    for (const { file, text } of documents)
      for (const [, span = ""] of text.matchAll(/`([^`\n]+)`/g))
        if (path.test(span) && !(await exists(span))) missing.push(`${file}: ${span}`);
    expect(missing).toEqual([]);
  });
});

describe("the repository", () => {
  it("has one version, with its section in the changelog, and one licence", async () => {
    const { version, license } = JSON.parse(await read("package.json"));
    const lock = JSON.parse(await read("package-lock.json"));
    expect([lock.version, lock.packages[""].version, lock.packages[""].license]).toEqual([version, version, license]);
    expect(await read("CHANGELOG.md")).toContain(`\n## [${version}] - `);
    expect(license).toBe("Apache-2.0");
    expect(await read("LICENSE")).toMatch(/^\s+Apache License\n\s+Version 2\.0, January 2004\n/);
  });

  it.each(["bug", "idea"])("asks in the form %s for what the doctor says", async (form) => {
    expect(await read(`.github/ISSUE_TEMPLATE/${form}.yml`)).toContain("npm run doctor -- --stack <name> --json");
  });
});
