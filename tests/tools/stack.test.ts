import { copyFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir, userInfo } from "node:os";
import { join, relative } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { examples } from "../../project/placeholders.ts";
import { projectDirectory } from "../../project/stack.ts";
import { kubeConfigOf, settingsOf } from "../../tools/stack.ts";
import { registrationsOf } from "../harness.ts";

// What the tools know of a stack is what the program knows of it.

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "oke-tools-"));
  await copyFile(join(projectDirectory, "Pulumi.yaml"), join(directory, "Pulumi.yaml"));
});
afterAll(() => rm(directory, { recursive: true }));

/** The settings that the tools read of prod, with an edit of its file. */
async function settingsWith(edit: (text: string) => string, placeholders = examples) {
  const shipped = await readFile(join(projectDirectory, "Pulumi.prod.yaml"), "utf8");
  expect(edit(shipped)).not.toBe(shipped);
  await writeFile(join(directory, "Pulumi.live.yaml"), edit(shipped));
  return settingsOf("live", directory, placeholders);
}

const refusalOf = (edit: (text: string) => string): Promise<string> =>
  settingsWith(edit).then(
    () => "nothing is refused",
    (error: Error) => error.message,
  );

const SUPPLIED = `
  oke-platform:cloudflare:
    token: supplied
  oke-platform:cloudflareApiToken:
    secure: v1:AAAAAAAAAAAAAAAA:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA
`;

describe("the settings of a stack", () => {
  it("may have a secret that nobody has the passphrase of", async () => {
    const { vault } = await settingsWith((text) => text + SUPPLIED);
    expect(vault?.token).toEqual({ kind: "supplied", value: "[secret]" });
  });

  it("are refused in the program's words where another setting is a secret, or the token is none", async () => {
    const secret = "    nodeNsgIds:\n      - secure: v1:AAAA:AAAA";
    const [marked, clear] = [
      await refusalOf((text) => text.replace(/ {4}nodeNsgIds:\n.*/, secret)),
      await refusalOf((text) => text + SUPPLIED.replace(/:\s*secure: .*/, ": in-clear")),
    ];
    const supplied = { cloudflare: { token: "supplied" }, cloudflareApiToken: "in-clear" };
    await expect(registrationsOf("prod", {}, { loadBalancer: '{"nodeNsgIds":["s3same"]}' })).rejects.toThrow(marked);
    await expect(registrationsOf("prod", supplied)).rejects.toThrow(clear);
    expect(marked).toContain("oke-platform:loadBalancer is stored as a secret, but goes in clear");
    expect(clear).toContain("oke-platform:cloudflareApiToken stands in clear");
  });

  it("are as the program has them where nothing is said, or something in another type", async () => {
    const shipped = await settingsOf("prod", projectDirectory, examples);
    const edits: [from: RegExp, to: string][] = [
      [
        /size: production/,
        "size: production\n  oke-platform:baseDomain:\n  oke-platform:gateway: ~\n  oke-platform:charts: ''",
      ],
      [/oke-platform:services:/, 'oke-platform:reflector: "{}"\n  oke-platform:services:'],
      [/minMbps: 100/, "minMbps: 0144"],
    ];
    expect(await settingsWith((text) => edits.reduce((it, [from, to]) => it.replace(from, to), text))).toEqual(shipped);
  });

  it("keep a domain that looks like a number text", async () => {
    const domain = (text: string) => text.replace("oke-platform:domain: <zone>", "oke-platform:domain: 0x1F");
    await expect(settingsWith(domain)).rejects.toThrow('oke-platform:domain is "31"; allowed: a DNS zone');
  });

  it("may not hold a placeholder", async () => {
    await expect(settingsOf("prod")).rejects.toThrow(
      "oke-platform:domain still holds the placeholder <zone>; put your own value there",
    );
  });
});

describe("a kubeconfig", () => {
  afterEach(() => vi.unstubAllEnvs());
  const kubeconfig = (context: string) =>
    JSON.stringify({
      clusters: [{ name: "one", cluster: { server: "https://127.0.0.1:1", "certificate-authority": "ca.crt" } }],
      contexts: [{ name: context, context: { cluster: "one", user: "one" } }],
      users: [{ name: "one", user: { token: "s3same" } }],
    });
  const contextsOf = async (setting?: string) => {
    const config = await kubeConfigOf({ context: "here", ...(setting !== undefined && { kubeconfig: setting }) });
    return config.getContexts().map(({ name }) => name);
  };
  let file: string;
  beforeAll(async () => {
    file = join(directory, "kube config");
    await writeFile(file, kubeconfig("here"));
  });

  it("is a file, seen from the project or from home, or the text itself", async () => {
    const ways = [
      file,
      relative(projectDirectory, file),
      `~/${relative(userInfo().homedir, file)}`,
      kubeconfig("here"),
      `# A comment.\n${kubeconfig("here")}`,
    ];
    for (const way of ways) {
      vi.stubEnv("HOME", "/nowhere/at/all/or/else");
      expect(await contextsOf(way), way).toEqual(["here"]);
      vi.stubEnv("KUBECONFIG", way);
      expect(await contextsOf(), way).toEqual(["here"]);
    }
  });

  it("is found wherever a tool was started", async () => {
    vi.spyOn(process, "cwd").mockReturnValue("/nowhere/at/all/or/else");
    try {
      expect(await contextsOf(relative(projectDirectory, file))).toEqual(["here"]);
    } finally {
      vi.restoreAllMocks();
    }
  });

  it("names its files as the provider sees them, from the project", async () => {
    const config = await kubeConfigOf({ context: "here", kubeconfig: file });
    expect(config.getCurrentCluster()?.caFile).toBe(join(projectDirectory, "ca.crt"));
  });

  it("is the setting before it is KUBECONFIG, and that before the usual file", async () => {
    await writeFile(join(directory, "other"), kubeconfig("other"));
    vi.stubEnv("KUBECONFIG", join(directory, "other"));
    expect(await contextsOf(file)).toEqual(["here"]);
    await expect(contextsOf()).rejects.toThrow('the kubeconfig has no context "here"; it has other');
    vi.stubEnv("KUBECONFIG", "");
    vi.stubEnv("HOME", directory);
    await expect(contextsOf()).rejects.toThrow('the kubeconfig has no context "here"; it has loaded-context');
  });

  it.each([
    ["a file that is not there", "nowhere.yaml"],
    ["two files, which the program's provider does not take", "a:b"],
    ["broken text, of which nothing is shown", "users: [s3same"],
  ])("is refused when it is %s", async (_what, way) => {
    const mistake =
      "is neither one file that is there, seen from the project's directory, nor a kubeconfig with contexts itself; the program takes nothing else";
    await expect(contextsOf(way)).rejects.toThrow(new Error(`cluster.kubeconfig ${mistake}`));
    vi.stubEnv("KUBECONFIG", way);
    await expect(contextsOf()).rejects.toThrow(new Error(`KUBECONFIG ${mistake}`));
  });
});
