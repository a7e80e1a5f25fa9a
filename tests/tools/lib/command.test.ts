import { expect, it } from "vitest";
import {
  type MakeCommand,
  printer,
  stackOption,
  type Terminal,
  toolCommand,
  yesOption,
} from "../../../tools/lib/command.ts";
import { ran } from "../command.ts";

const paint = (terminal: Terminal) =>
  toolCommand("paint", "Paints a stack.", terminal)
    .addOption(stackOption())
    .addOption(yesOption())
    .option("--colour-of <thing>", "whose colour", "sky")
    .action(async (options: { stack: string; yes?: true; colourOf: string }) => {
      if (options.stack === "lab") throw new Error("the lab is not to be painted");
      printer(terminal)(JSON.stringify(options));
    });

const house: MakeCommand = (terminal) => {
  const it = toolCommand("house", "Builds a house.", terminal);
  it.command("roof")
    .description("builds the roof")
    .addOption(stackOption())
    .argument("[tiles...]")
    .action(async (tiles: string[], { stack }: { stack: string }) => {
      printer(terminal)(`${stack}: ${tiles.join(" ")}`);
      terminal.exitCode = 7;
    });
  return it;
};

it("hands the options to the action", async () => {
  expect(await ran(paint, "--stack", "prod")).toEqual({
    exitCode: 0,
    stdout: '{"colourOf":"sky","stack":"prod"}\n',
    stderr: "",
  });
  expect(await ran(paint, "--stack", "prod", "--yes", "--colour-of", "sea")).toEqual({
    exitCode: 0,
    stdout: '{"colourOf":"sea","stack":"prod","yes":true}\n',
    stderr: "",
  });
});

it.each<[string, string[], string]>([
  ["what the action throws, and no more", ["--stack", "lab"], "the lab is not to be painted\n"],
  [
    "a missing stack, with those that there are",
    ["--yes"],
    "--stack is missing: the <name> of a Pulumi.<name>.yaml; there are: e2e, fresh, lab, prod. See npm run paint -- --help\n",
  ],
  [
    "an option that nobody knows, with the one that was meant",
    ["--stack", "prod", "--yess"],
    "unknown option '--yess'\n(Did you mean --yes?)\nSee npm run paint -- --help\n",
  ],
  [
    "what is too much",
    ["--stack", "prod", "wall"],
    "too many arguments. Expected 0 arguments but got 1.\nSee npm run paint -- --help\n",
  ],
])("ends with 1 and says %s", async (_, args, stderr) => {
  expect(await ran(paint, ...args)).toEqual({ exitCode: 1, stdout: "", stderr });
});

it("explains itself, and a command that consists of others also when nothing is asked of it", async () => {
  const { exitCode, stdout } = await ran(paint, "--help");
  expect({ exitCode, lines: stdout.split("\n").slice(0, 6) }).toEqual({
    exitCode: 0,
    lines: [
      "Usage: npm run paint -- [options]",
      "",
      "Paints a stack.",
      "",
      "Options:",
      "  --stack <name>       the stack of Pulumi.<name>.yaml",
    ],
  });
  expect(await ran(house)).toEqual({ exitCode: 0, stdout: expect.stringContaining("builds the roof"), stderr: "" });
  expect(await ran(house)).toEqual(await ran(house, "--help"));
});

it("runs the one of its commands that is named, with what stands after --, and ends as that says", async () => {
  expect(await ran(house, "roof", "--stack", "prod", "--", "red", "--large")).toEqual({
    exitCode: 7,
    stdout: "prod: red --large\n",
    stderr: "",
  });
  expect((await ran(house, "cellar")).stderr).toBe("unknown command 'cellar'\nSee npm run house -- --help\n");
  expect((await ran(house, "roof")).stderr).toMatch(/^--stack is missing/);
});
