import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, it } from "vitest";
import { runInForeground } from "../../../tools/lib/foreground.ts";

it("ends as the command ends, by itself or by a signal", async () => {
  expect(await runInForeground("sh", ["-c", "exit 7"])).toBe(7);
  expect(await runInForeground("sh", ["-c", "kill -TERM $$"])).toBe(143);
});

it("says so when the command is not there, and leaves the signals to others", async () => {
  const before = process.listenerCount("SIGINT");
  await expect(runInForeground("no-such-command", [])).rejects.toThrow(/^no-such-command is not on PATH$/);
  expect(process.listenerCount("SIGINT")).toBe(before);
});

it("passes signals on to the command", async () => {
  const program = `
    import { runInForeground } from ${JSON.stringify(new URL("../../../tools/lib/foreground.ts", import.meta.url).href)};
    process.exitCode = await runInForeground(process.execPath, ["--eval", process.argv[1]]);`;
  const command = 'process.on("SIGTERM", () => process.exit(9)); setInterval(() => {}, 1000); console.log("started");';
  const tool = spawn(process.execPath, ["--input-type=module", "--eval", program, command], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(tool.stdout, "data");
  tool.kill("SIGTERM");
  expect(await once(tool, "exit")).toEqual([9, null]);
});
