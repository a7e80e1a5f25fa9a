import { describe, expect, it } from "vitest";
import {
  derived,
  found,
  given,
  lacking,
  linesOf,
  ok,
  problem,
  runner,
  Stop,
  skipped,
  unless,
  warning,
} from "../../../tools/lib/checks.ts";

const run = runner(20_000, "problem");
const never = async (): Promise<never> => {
  throw new Error("this must not be asked");
};
const broken = problem("it is broken", "mend it");

describe("a check", () => {
  it("has one verdict or several, and what it found for the others", async () => {
    const faults = [warning("a", "b"), broken];
    expect(await run("one", [], async () => ok("fine"))).toEqual({ subject: { name: "one" }, verdicts: [ok("fine")] });
    expect(await run("two", [], async () => faults)).toEqual({ subject: { name: "two" }, verdicts: faults });
    expect(await run({ name: "three", host: "a.test" }, [], async () => found(3, broken))).toEqual({
      subject: { name: "three", host: "a.test" },
      verdicts: [broken],
      value: 3,
    });
  });

  it("is given what the checks found that it needs, whatever they say of it", async () => {
    const first = await run("first", [], async () => found(1, broken));
    const sum = await run("sum", [first, given(2), derived(first, (value) => value + 2)], async (a, b, c) =>
      ok(`${a} + ${b} + ${c}`),
    );
    expect(sum.verdicts).toEqual([ok("1 + 2 + 3")]);
  });

  it("ends from within by a verdict that is thrown", async () => {
    const outcome = await run("one", [], async () => {
      throw new Stop(broken);
    });
    expect(outcome.verdicts).toEqual([broken]);
  });

  it("that throws says nothing where others only warn, and has failed where they must prove", async () => {
    const fail = async () => {
      throw Object.assign(new Error("connect"), { code: "ECONNREFUSED" });
    };
    const reason = "could not be asked: nothing listens there (ECONNREFUSED)";
    expect((await run("one", [], fail)).verdicts).toEqual([{ level: "problem", reason }]);
    expect((await runner(20_000, "skipped")("one", [], fail)).verdicts).toEqual([{ level: "skipped", reason }]);
  });

  it("leaves no timer behind that would keep the process", async () => {
    const timers = () => process.getActiveResourcesInfo().filter((resource) => resource === "Timeout").length;
    const before = timers();
    await run("one", [], async () => ok("fine"));
    expect(timers()).toBe(before);
  });

  it("is given up when it takes too long", async () => {
    const outcome = await runner(20, "skipped")("one", [], () => new Promise<never>(() => {}));
    expect(outcome.verdicts).toEqual([skipped("could not be asked: no answer in 0.02 s")]);
  });
});

describe("a check whose foundation", () => {
  it("failed is skipped, and names it", async () => {
    const failed = await run("the base", [], async () => broken);
    expect((await run("above", [given(1), failed], never)).verdicts).toEqual([
      skipped('needs the check "the base", which failed'),
    ]);
  });

  it("failed says what the base would have it say, and so do those above it", async () => {
    const failed = await run({ name: "the base", without: "nobody can be asked" }, [], async () => broken);
    const above = await run("above", [failed], never);
    expect(above.verdicts).toEqual([skipped("nobody can be asked")]);
    expect((await run("further above", [above], never)).verdicts).toEqual(above.verdicts);
    expect((await run("derived", [derived(failed, never)], never)).verdicts).toEqual(above.verdicts);
  });

  it("was skipped repeats why, and what to do", async () => {
    const why = skipped("not set", "set it");
    expect((await run("above", [lacking("not set", "set it")], never)).verdicts).toEqual([why]);
    const base = await run("base", [], async () => why);
    expect((await run("above", [base], never)).verdicts).toEqual([why]);
  });
});

it("says that all is well when there are no faults", () => {
  expect(unless([], "fine")).toEqual([ok("fine")]);
  expect(unless([broken], "fine")).toEqual([broken]);
});

it("shows rows with what to do below them", () => {
  expect(
    linesOf([
      { label: "ok", title: "a", reason: "fine" },
      { label: "PROBLEM", title: "longer", reason: "first\nsecond", action: "do this" },
    ]),
  ).toEqual(["ok       a       fine", "PROBLEM  longer  first\n                 second", "                 → do this"]);
});
