import { expect, it } from "vitest";
import {
  type MakeCommand,
  printer,
  run,
  stackOption,
  type Terminal,
  toolCommand,
  yesOption,
} from "../../../tools/lib/command.ts";
import { ran, testTerminal } from "../terminal.ts";

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
  expect(await ran(paint, "--stack", "prod")).toEqual({ code: 0, printed: '{"colourOf":"sky","stack":"prod"}\n' });
  expect(await ran(paint, "--stack", "prod", "--yes", "--colour-of", "sea")).toEqual({
    code: 0,
    printed: '{"colourOf":"sea","stack":"prod","yes":true}\n',
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
])("ends with 1 and says %s", async (_, args, printed) => {
  expect(await ran(paint, ...args)).toEqual({ code: 1, printed });
});

it("says errors on stderr alone", async () => {
  const terminal = testTerminal();
  terminal.stdout.on("data", (chunk) => expect.unreachable(String(chunk)));
  await run(paint, ["--stack", "lab"], terminal);
  expect(terminal.exitCode).toBe(1);
});

it("explains itself, and a command that consists of others also when nothing is asked of it", async () => {
  const { code, printed } = await ran(paint, "--help");
  expect({ code, lines: printed.split("\n").slice(0, 6) }).toEqual({
    code: 0,
    lines: [
      "Usage: npm run paint -- [options]",
      "",
      "Paints a stack.",
      "",
      "Options:",
      "  --stack <name>       the stack of Pulumi.<name>.yaml",
    ],
  });
  expect(await ran(house)).toEqual({ code: 0, printed: expect.stringContaining("builds the roof") });
  expect(await ran(house)).toEqual(await ran(house, "--help"));
});

it("runs the one of its commands that is named, with what stands after --, and ends as that says", async () => {
  expect(await ran(house, "roof", "--stack", "prod", "--", "red", "--large")).toEqual({
    code: 7,
    printed: "prod: red --large\n",
  });
  expect((await ran(house, "cellar")).printed).toBe("unknown command 'cellar'\nSee npm run house -- --help\n");
  expect((await ran(house, "roof")).printed).toMatch(/^--stack is missing/);
});
