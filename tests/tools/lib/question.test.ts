import { expect, it } from "vitest";
import { operator } from "../../../tools/lib/question.ts";
import { NOES, testTerminal } from "../terminal.ts";

/** What comes of a question at a terminal when something happens. */
async function answerTo(happens: (terminal: ReturnType<typeof testTerminal>) => void) {
  const terminal = testTerminal({ isTTY: true });
  const answer = operator(terminal, undefined)("Paint it?");
  await expect.poll(terminal.printed).toContain("Paint it? [y/N] ");
  happens(terminal);
  return { isYes: await answer, endsLine: terminal.printed().endsWith("\n") };
}

it.each<[string, string, boolean]>([
  ["y", "y\r", true],
  ["YES", "YES\r", true],
  ["yesterday", "yesterday\r", false],
  ["Ctrl-C after a y", `y${NOES["Ctrl-C"]}`, false],
  ...Object.entries(NOES).map(([name, keys]): [string, string, boolean] => [name, keys, false]),
])("takes %s for what it is", async (_, keys, isYes) => {
  expect(await answerTo(({ stdin }) => stdin.write(keys))).toEqual({ isYes, endsLine: true });
});

it("takes the end of the input, and a signal to end, for no", async () => {
  expect(await answerTo(({ stdin }) => stdin.end())).toEqual({ isYes: false, endsLine: true });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    expect(await answerTo(() => process.emit(signal))).toEqual({ isYes: false, endsLine: true });
});

it("leaves the signals to others when it is answered", async () => {
  const before = process.listenerCount("SIGTERM");
  await answerTo(({ stdin }) => stdin.write("y\r"));
  expect(process.listenerCount("SIGTERM")).toBe(before);
});

it("is not asked with --yes, and cannot be without a terminal", async () => {
  expect(await operator(testTerminal(), true)("Paint it?")).toBe(true);
  expect(() => operator(testTerminal(), undefined)).toThrow(
    "there is no terminal to ask on; --yes goes on without a question",
  );
});
