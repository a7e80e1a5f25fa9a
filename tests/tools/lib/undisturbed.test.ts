import { describe, expect, it } from "vitest";
import { undisturbed } from "../../../tools/lib/undisturbed.ts";

/** As if it were sent to this process, without the end that it would have where nobody listens. */
const send = (signal: "SIGINT" | "SIGTERM" | "SIGHUP") => process.emit(signal, signal);

const listeners = () =>
  ["SIGINT", "SIGTERM", "SIGHUP", "uncaughtException"].map((event) => process.rawListeners(event));

describe("what must not be left half done", () => {
  it.each(["SIGINT", "SIGTERM", "SIGHUP"] as const)("is done, and then the process obeys: %s", async (signal) => {
    const before = listeners();
    const lines: string[] = [];
    let done = 0;
    const act = async (isTold: () => boolean) => {
      expect(isTold()).toBe(false);
      send(signal);
      expect(isTold()).toBe(true);
      await Promise.resolve();
      done += 1;
    };
    await expect(undisturbed(act, (line) => lines.push(line))).rejects.toThrow(
      new RegExp(`^stopped by ${signal}, with nothing left half done; run it again to go on$`),
    );
    expect({ done, lines }).toEqual({
      done: 1,
      lines: [`${signal}: in a moment, when what must not be left half done is over`],
    });
    expect(listeners()).toEqual(before);
    // The next one is told of nothing.
    expect(await undisturbed(async (isTold) => isTold())).toBe(false);
  });

  it("is one with what is within it", async () => {
    const order: string[] = [];
    const inner = () =>
      undisturbed(async () => {
        send("SIGTERM");
        order.push("inner");
      });
    await expect(
      undisturbed(async () => {
        await inner();
        order.push("outer");
      }),
    ).rejects.toThrow("stopped by SIGTERM");
    expect(order).toEqual(["inner", "outer"]);
  });

  it("fails with its own error, whatever else has come", async () => {
    await expect(
      undisturbed(async () => {
        send("SIGINT");
        throw new Error("no space left");
      }),
    ).rejects.toThrow("no space left");
  });

  it("is not ended by an error that nobody waits for, which is told after it", async () => {
    const before = listeners();
    let done = 0;
    const stray = undisturbed(async (isTold) => {
      (process as NodeJS.EventEmitter).emit("uncaughtException", new Error("the connection is gone"));
      expect(isTold()).toBe(true);
      done += 1;
    });
    await expect(stray).rejects.toThrow("the connection is gone");
    expect(done).toBe(1);
    expect(listeners()).toEqual(before);
  });
});
