import { createServer } from "node:http";
import { afterEach, describe, expect, it } from "vitest";
import { ask, exchange, failureOf } from "../../../tools/lib/http.ts";
import { answering, closeAll, closedPort, cutOffPort, listen, silentPort } from "../../loopback.ts";

afterEach(closeAll);

const timeoutMs = 20_000;
const on = (port: number) => `http://127.0.0.1:${port}/`;

describe("a call", () => {
  /** A server that tells what it was asked. */
  const echo = () =>
    answering(({ url, request, body }) => ({
      status: 201,
      body: { method: request.method, path: url.pathname + url.search, headers: request.headers, body },
    }));

  it("asks for JSON", async () => {
    const url = await echo();
    expect(await ask(`${url}/a?b=c`, { timeoutMs, headers: { "x-token": "t" } })).toEqual({
      status: 201,
      body: {
        method: "GET",
        path: "/a?b=c",
        body: "",
        headers: { accept: "application/json", connection: "close", host: url.slice(7), "x-token": "t" },
      },
    });
  });

  it.each([
    [{ a: ["ü"] }, "application/json", '{"a":["ü"]}'],
    [new URLSearchParams({ a: "b&c" }), "application/x-www-form-urlencoded", "a=b%26c"],
  ])("sends %o", async (body, type, sent) => {
    const answer = await ask(await echo(), { timeoutMs, method: "POST", body });
    expect(answer.body).toMatchObject({
      method: "POST",
      body: sent,
      headers: { "content-type": type, "content-length": String(Buffer.byteLength(sent)) },
    });
  });

  it("goes to another place than the host's name leads to", async () => {
    const port = Number(new URL(await echo()).port);
    const answer = await ask("http://vault.example.com/", { timeoutMs, at: { ip: "127.0.0.1", port } });
    expect(answer.body).toMatchObject({ headers: { host: "vault.example.com" } });
  });

  it("has an answer whatever its status, and no body where it is no JSON", async () => {
    const url = await answering(() => ({ status: 502, body: "<html></html>" }));
    expect(await ask(url, { timeoutMs })).toEqual({ status: 502, body: undefined });
  });

  it("does not wait for what nobody reads, and ends the connection", async () => {
    const { promise: closed, resolve } = Promise.withResolvers<void>();
    const port = await listen(
      createServer((_, response) => response.once("close", resolve).writeHead(200).write("for ever")),
    );
    // Longer than a test may take, so that it is not the limit that ends it.
    expect(await exchange(on(port), { timeoutMs: 600_000 }, async ({ statusCode }) => statusCode)).toBe(200);
    await closed;
  });
});

describe("a call without an answer", () => {
  const failure = (url: string, ms = timeoutMs) => ask(url, { timeoutMs: ms }).then(() => "an answer", failureOf);

  it("ends in time, also in the middle of the answer", async () => {
    expect(await failure(on(await silentPort()), 30)).toBe("no answer in time");
    const begun = await listen(createServer((_, response) => void response.writeHead(200).write("{")));
    expect(await failure(on(begun), 60)).toBe("no answer in time");
  });

  it("says why", async () => {
    expect(await failure(on(await closedPort()))).toBe("nothing listens there (ECONNREFUSED)");
    expect(await failure(on(await cutOffPort()))).toBe("the connection was closed (ECONNRESET)");
  });
});

describe("failureOf", () => {
  const failed = (message: string, more: object = {}) => Object.assign(new Error(message), more);

  it.each([
    [
      "its cause's words",
      failed("fetch failed", { cause: failed("getaddrinfo ENOTFOUND a.test") }),
      "getaddrinfo ENOTFOUND a.test",
    ],
    [
      "OpenSSL's reason",
      failed("routines:ssl3:alert\n", { code: "ERR_SSL_ALERT", reason: "tlsv1 alert" }),
      "tlsv1 alert",
    ],
    ["one line", failed("spawn failed:\n  no such file"), "spawn failed: no such file"],
    ["a code, where there are no words", failed("", { code: "EHOSTUNREACH" }), "EHOSTUNREACH"],
    ["a resolver's silence", failed("queryA ETIMEOUT a.test", { code: "ETIMEOUT" }), "no answer in time"],
    ["a resolver that was stopped", failed("queryA ECANCELLED", { code: "ECANCELLED" }), "no answer in time"],
    ["a system call's", failed("connect", { code: "ETIMEDOUT" }), "no answer in time"],
    ["a signal's", AbortSignal.timeout(0).reason ?? new DOMException("late", "TimeoutError"), "no answer in time"],
    ["what is no error", "gone", "gone"],
  ])("has %s", (_, error, words) => {
    expect(failureOf(error)).toBe(words);
  });
});
