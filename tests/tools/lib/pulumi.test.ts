import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { configure, configured, type Proposal, propose, pulumiCli } from "../../../tools/lib/pulumi.ts";
import { withCommand } from "../fake-command.ts";
import { FakePulumi } from "../fake-pulumi.ts";

const PATH = "oke-platform:acme.server";

describe("the Pulumi CLI", () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "pulumi-"));
  });
  afterEach(() => rm(directory, { recursive: true }));

  it("runs in the project's directory, and tells how it ends", async () => {
    const script =
      'echo "$PWD $*" >> "$LOG"\ncase "$1" in preview) exit 4 ;; config) echo no >&2; exit 3 ;; esac\necho 5';
    const cli = pulumiCli(directory);
    await withCommand(directory, "pulumi", script, async () => {
      expect(await cli.read(["stack", "output"])).toMatchObject({ code: 0, stdout: "5\n" });
      expect(await cli.read(["config", "get"])).toEqual({ code: 3, stdout: "", stderr: "no\n" });
      expect(await cli.show(["preview"])).toBe(4);
    });
    expect(await readFile(join(directory, "log"), "utf8")).toBe(
      `${directory} stack output\n${directory} config get\n${directory} preview\n`,
    );
  });

  it("is missed with where to get it", async () => {
    const { PATH: before } = process.env;
    process.env.PATH = "/nowhere";
    try {
      await expect(pulumiCli(directory).read(["version"])).rejects.toThrow("pulumi is not on PATH; https://");
      await expect(pulumiCli(directory).show(["version"])).rejects.toThrow("pulumi is not on PATH");
    } finally {
      process.env.PATH = before;
    }
  });
});

describe("a stack's configuration", () => {
  it("is read and written as the CLI has it, a value that is not there too", async () => {
    const pulumi = new FakePulumi();
    const setting = { stack: "prod", path: PATH };
    expect(await configured(pulumi, setting)).toBeUndefined();
    await configure(pulumi, setting, "staging");
    expect(await configured(pulumi, setting)).toBe("staging");
    await configure(pulumi, setting, undefined);
    expect(await configured(pulumi, setting)).toBeUndefined();
  });

  it("that cannot be read or written is said in Pulumi's words, with the command to run", async () => {
    const pulumi = new FakePulumi();
    pulumi.read = async () => ({ code: 255, stdout: "", stderr: "error: no stack\n" });
    await expect(configured(pulumi, { stack: "prod", path: PATH })).rejects.toThrow(
      /^the configuration of stack prod cannot be read: error: no stack$/,
    );
    await expect(configure(pulumi, { stack: "prod", path: PATH }, "ca")).rejects.toThrow(
      /^the stack's configuration cannot be written: error: no stack\nRun this yourself:\n {2}pulumi config set --path oke-platform:acme.server ca --stack prod$/,
    );
  });
});

describe("a proposal", () => {
  let pulumi: FakePulumi;
  let lines: string[];
  beforeEach(() => {
    pulumi = new FakePulumi();
    lines = [];
  });
  const proposed = (changes: Partial<Proposal> = {}) =>
    propose(pulumi, {
      stack: "prod",
      change: { path: PATH, value: "production" },
      approve: async () => true,
      log: (line) => lines.push(line),
      ...changes,
    });

  it("is set, previewed and asked about, and stays after a yes", async () => {
    pulumi.config.set(PATH, "staging");
    const approve = async () => pulumi.config.get(PATH) === "production";
    expect(await proposed({ approve })).toBe(true);
    expect(pulumi.changing()).toEqual([`config set --path ${PATH} production --stack prod`, "preview --stack prod"]);
    expect(lines).toEqual(["acme.server is production, before staging"]);
  });

  it.each([["staging"], [undefined]])("leaves %s as it was after a no, an error and a failed preview", async (was) => {
    const all = was === undefined ? [] : [[PATH, was]];
    if (was !== undefined) pulumi.config.set(PATH, was);
    expect(await proposed({ approve: async () => false })).toBe(false);
    expect([...pulumi.config]).toEqual(all);
    await expect(proposed({ approve: () => Promise.reject(new Error("no terminal")) })).rejects.toThrow("no terminal");
    expect([...pulumi.config]).toEqual(all);
    pulumi.preview = 1;
    await expect(proposed()).rejects.toThrow("pulumi preview has failed; nothing is changed");
    expect([...pulumi.config]).toEqual(all);
    expect(lines.at(-1)).toBe(`acme.server is ${was ?? "its default"} again`);
  });

  it("leaves no map that was not there, and none of what is beside the value out", async () => {
    await proposed({ approve: async () => false });
    expect(pulumi.changing().at(-1)).toBe("config rm --path oke-platform:acme --stack prod");
    await proposed({ change: { path: "oke-platform:cloudflare.tokenSerial", value: "2" }, approve: async () => false });
    expect(pulumi.changing().at(-1)).toBe("config rm --path oke-platform:cloudflare --stack prod");
    pulumi.config.set("oke-platform:acme.email", "a@example.com");
    await proposed({ approve: async () => false });
    expect([...pulumi.config.keys()]).toEqual(["oke-platform:acme.email"]);
  });

  it("is a no when the process is told to end, whenever that is", async () => {
    pulumi.config.set(PATH, "staging");
    let questions = 0;
    const show = pulumi.show.bind(pulumi);
    pulumi.show = async (args) => {
      process.emit("SIGTERM");
      return show(args);
    };
    const approve = async () => ++questions > 0;
    expect(await proposed({ approve })).toBe(false);
    expect([questions, pulumi.config.get(PATH)]).toEqual([0, "staging"]);
    pulumi.show = show;
    expect(await proposed({ approve: async () => process.emit("SIGHUP") })).toBe(false);
    expect(pulumi.config.get(PATH)).toBe("staging");
    const before = process.listenerCount("SIGINT");
    await proposed();
    expect(process.listenerCount("SIGINT")).toBe(before);
  });

  it("of what is so already, or of nothing, is previewed and asked about, and writes nothing", async () => {
    pulumi.config.set(PATH, "production");
    for (const change of [undefined, { path: PATH, value: "production" }]) {
      expect(await proposed({ change })).toBe(true);
      expect(await proposed({ change, approve: async () => false })).toBe(false);
    }
    expect(pulumi.changing()).toEqual(Array(4).fill("preview --stack prod"));
  });
});
