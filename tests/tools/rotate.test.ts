import { expect, it } from "vitest";
import { rotateCommand } from "../../tools/rotate.ts";
import { ran } from "./command.ts";

it("refuses before anything when there is nobody to ask", async () => {
  expect(await ran(rotateCommand, "--stack", "nowhere")).toEqual({
    exitCode: 1,
    stdout: "",
    stderr: "there is no terminal to ask on; --yes goes on without a question\n",
  });
});

it("refuses a stack that is not there, and the placeholders of one that is", async () => {
  const missing = await ran(rotateCommand, "--stack", "nowhere", "--yes");
  expect(missing).toEqual({
    exitCode: 1,
    stdout: "",
    stderr: expect.stringContaining("Pulumi.nowhere.yaml is not in"),
  });
  const shipped = await ran(rotateCommand, "--stack", "prod", "--yes");
  expect(shipped).toEqual({
    exitCode: 1,
    stdout: "",
    stderr: expect.stringContaining("still holds the placeholder <zone>"),
  });
});
