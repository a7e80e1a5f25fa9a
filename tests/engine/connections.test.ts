import { createServer } from "node:https";
import type { Socket } from "node:net";
import { afterEach, beforeAll, expect, it, vi } from "vitest";
import { type Count, connect, countText, type Pace, steadily } from "../e2e/connections.ts";
import { closeAll, closedPort, listen } from "../loopback.ts";
import { type Issuer, issue, newIssuer, type TlsPair } from "../pki.ts";

// The counter of connections, against gateways that lose some.

const HOST = "echo.cluster.platform.test";
/** A few at once, so that no machine is too busy for them. */
const AT_ONCE = 4;

let issuer: Issuer;
let pair: TlsPair;
beforeAll(async () => {
  issuer = await newIssuer("connections");
  pair = await issue(issuer, [`*.cluster.platform.test`]);
});
afterEach(closeAll);

/** What a gateway does with a connection, by its number from 1. */
interface Gateway {
  readonly onSocket?: (socket: Socket, at: number) => void;
  readonly statusOf?: (at: number) => number;
  /** The certificate after so many connections. */
  readonly later?: { readonly after: number; readonly pair: TlsPair };
}

/** Counts so many connections to a gateway. */
async function counted(wanted: number, { onSocket, statusOf = () => 200, later }: Gateway): Promise<Count> {
  let answers = 0;
  const server = createServer(pair, (_request, response) => {
    answers += 1;
    response.writeHead(statusOf(answers)).end("echo");
  });
  let sockets = 0;
  let next = () => {};
  const enough = Promise.withResolvers<void>();
  server.on("connection", (socket: Socket) => {
    sockets += 1;
    onSocket?.(socket, sockets);
    if (later?.after === sockets) server.setSecureContext(later.pair);
    socket.once("close", () => next());
  });
  // The next when one has ended.
  const pace: Pace = (make) => {
    let made = 0;
    next = () => {
      if (made === wanted) enough.resolve();
      else {
        made += 1;
        make();
      }
    };
    for (let count = 0; count < AT_ONCE; count++) next();
    return () => {};
  };
  const connections = connect({ host: HOST, ip: "127.0.0.1", port: await listen(server), roots: issuer.root }, pace);
  await enough.promise;
  return connections.end();
}

it("loses none at a gateway that serves all", async () => {
  expect(await counted(200, {})).toEqual({
    made: 200,
    lost: 0,
    reasons: {},
    certificates: [expect.any(String)],
    longestMs: 0,
  });
});

it("sees a gateway drop one request in a thousand", async () => {
  const drop = (socket: Socket, at: number) => void (at % 1000 === 0 && socket.destroy());
  const { made, lost, reasons } = await counted(1000, { onSocket: drop });
  expect({ made, lost, reasons }).toEqual({
    made: 1000,
    lost: 1,
    reasons: { "the connection was closed (ECONNRESET)": 1 },
  });
});

it("counts an answer of the gateway's own as lost", async () => {
  const { lost, reasons } = await counted(100, { statusOf: (at) => (at === 50 ? 503 : 404) });
  expect([lost, reasons]).toEqual([1, { "status 503": 1 }]);
});

it("counts what is not the roots' certificate as lost, and tells how many certificates were shown", async () => {
  const [renewed, foreign] = [await issue(issuer, [HOST]), await issue(await newIssuer("foreign"), [HOST])];
  const seen = await counted(100, { later: { after: 50, pair: renewed } });
  expect([seen.lost, seen.certificates.length]).toEqual([0, 2]);
  const untrusted = await counted(100, { later: { after: 60, pair: foreign } });
  expect(untrusted.lost).toBeGreaterThan(0);
  expect(Object.keys(untrusted.reasons)).toEqual([expect.stringMatching(/certificate/)]);
});

it("goes on where nothing listens, and says for how long", async () => {
  const port = await closedPort();
  const clock = vi.spyOn(performance, "now").mockReturnValueOnce(1000).mockReturnValueOnce(1400);
  const twice: Pace = (make) => {
    make();
    make();
    return () => {};
  };
  const target = { host: HOST, ip: "127.0.0.1", port, roots: issuer.root };
  expect(await connect(target, twice).end()).toEqual({
    made: 2,
    lost: 2,
    reasons: { "nothing listens there (ECONNREFUSED)": 2 },
    certificates: [],
    longestMs: 400,
  });
  clock.mockRestore();
});

it("keeps its pace by the clock, also where the timer is late", () => {
  vi.useFakeTimers();
  let made = 0;
  const end = steadily(20)(() => {
    made += 1;
  });
  vi.advanceTimersByTime(10_000);
  expect(made).toBe(200);
  end();
  vi.advanceTimersByTime(1000);
  expect(made).toBe(200);
  vi.useRealTimers();
});

it("is printed with what of the platform changed meanwhile", () => {
  const none = { made: 900, lost: 0, reasons: {}, certificates: ["0A"], longestMs: 0 };
  expect(countText(none, { podsRolled: [], certificatesIssued: 0 })).toBe(
    "connections made: 900\nconnections lost: 0\ncertificates shown: 1\npods rolled: 0\ncertificates issued: 0",
  );
  const some = { ...none, lost: 3, reasons: { "no answer in time": 2, "status 503": 1 }, longestMs: 140 };
  expect(countText(some, { podsRolled: ["cert-manager/cert-manager"], certificatesIssued: 1 })).toBe(
    "connections made: 900\nconnections lost: 3 (longest stretch 140 ms: 2 no answer in time, 1 status 503)\n" +
      "certificates shown: 1\npods rolled: 1 (cert-manager/cert-manager)\ncertificates issued: 1",
  );
});
