import { spawnSync } from "node:child_process";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { PulumiCli } from "../../../tools/lib/pulumi.ts";
import { refuseOtherRuns, removeEmptySidecars } from "../../../tools/repair/backend.ts";
import { cli } from "./cli.ts";

const ROOT = "urn:pulumi:prod::oke-platform::pulumi:pulumi:Stack::oke-platform-prod";

describe("another run", () => {
  const lock = (host: string, pid: number) =>
    "error: the stack is currently locked by 1 lock(s). Either wait for the other process(es) to end or delete the lock " +
    `file with \`pulumi cancel\`.\n  file:///state/locks/prod.json: created by me@${host} (pid ${pid}) at 2026-11-27T10:00:00Z\n`;
  const probe = `refresh --yes --skip-preview --skip-pending-creates --non-interactive --target ${ROOT} --stack prod`;
  /** Of a process that has ended. */
  const { pid: dead } = spawnSync(process.execPath, ["--version"]);

  it("is not at work where the lock can be had", async () => {
    const { pulumi, calls } = cli(() => "");
    await refuseOtherRuns(pulumi, "prod", ROOT);
    expect(calls).toEqual([probe]);
  });

  it("was killed where its process was on this machine and is no more: its lock is taken away", async () => {
    const { pulumi, calls } = cli(
      () => lock(hostname(), dead),
      () => "",
      () => "",
    );
    await refuseOtherRuns(pulumi, "prod", ROOT);
    expect(calls).toEqual([probe, "cancel --yes --stack prod", probe]);
  });

  it.each([
    ["on this machine", lock(hostname(), process.pid)],
    ["elsewhere", lock("runner-7", dead)],
    ["at Pulumi Cloud", "error: [409] Conflict: Another update is currently in progress.\n"],
  ])("may be alive %s, and is refused", async (_where, said) => {
    const { pulumi, calls } = cli(() => said);
    await expect(refuseOtherRuns(pulumi, "prod", ROOT)).rejects.toThrow(
      /^another run may still be at work, and nothing is changed: error: .*\nWait for its end\. If it was killed, run pulumi cancel --stack prod, and this again\.$/s,
    );
    expect(calls).toEqual([probe]);
  });
});

describe("a backend in a directory", () => {
  const at = (url: string): PulumiCli => ({
    read: async (args) => ({
      code: 0,
      stdout: args[0] === "whoami" ? JSON.stringify({ user: "me", url }) : "",
      stderr: "",
    }),
    show: () => Promise.reject(new Error("nothing is shown")),
  });

  it("loses the sidecars that a kill has left empty, and nothing else", async () => {
    const directory = await mkdtemp(join(tmpdir(), "oke-platform-"));
    const stacks = join(directory, ".pulumi", "stacks");
    await mkdir(stacks, { recursive: true });
    const files = { "prod.json": "{}", "prod.json.attrs": "", "prod.json.bak.attrs": "{}", "lab.json": "" };
    for (const [file, text] of Object.entries(files)) await writeFile(join(stacks, file), text);
    expect(await removeEmptySidecars(at(`file://${directory}?no_tmp_dir=true`))).toBe(true);
    expect((await readdir(stacks)).sort()).toEqual(["lab.json", "prod.json", "prod.json.bak.attrs"]);
    expect(await removeEmptySidecars(at(`file://${directory}`))).toBe(false);
    await rm(directory, { recursive: true });
  });

  it("is not looked for elsewhere", async () => {
    expect(await removeEmptySidecars(at("https://api.pulumi.com"))).toBe(false);
  });
});
