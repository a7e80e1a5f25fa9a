import { createSocket } from "node:dgram";
import { Resolver } from "node:dns/promises";
import { once } from "node:events";
import { connect } from "node:net";
import { decode, encode, type Question } from "dns-packet";
import { expect, it } from "vitest";
import { call, made, NAME, records, setUpStandIn, standIn, txt, ZONE } from "./stand-in.ts";

setUpStandIn();

function resolver(): Resolver {
  const it = new Resolver({ tries: 1, timeout: 2000 });
  it.setServers([`127.0.0.1:${standIn.ports.dns}`]);
  return it;
}

const flat = (answers: string[][]) => answers.map((parts) => parts.join("")).sort();

it("serves what was written, at once, both values of one name, and not what was deleted", async () => {
  await expect(resolver().resolveTxt(NAME)).rejects.toThrow("ENOTFOUND");
  const one = await made(txt("one"));
  await made(txt('"two"'));
  expect(flat(await resolver().resolveTxt(NAME))).toEqual(["one", "two"]);
  const { answers } = await overUdp([{ type: "TXT", name: NAME.toUpperCase() }]);
  expect(answers).toHaveLength(2);
  await call("DELETE", records(`/${one.id}`));
  expect(flat(await resolver().resolveTxt(NAME))).toEqual(["two"]);
});

it("serves addresses, and a name for another", async () => {
  await made({ type: "A", name: "cluster.platform.test", content: "203.0.113.7", ttl: 1 });
  await made({ type: "AAAA", name: "cluster.platform.test", content: "2001:db8::7", ttl: 60 });
  await made({ type: "CNAME", name: "www.platform.test", content: "cluster.platform.test", ttl: 60 });
  const address = { ttl: true } as const;
  expect(await resolver().resolve4("cluster.platform.test", address)).toEqual([{ address: "203.0.113.7", ttl: 300 }]);
  expect(await resolver().resolve6("cluster.platform.test", address)).toEqual([{ address: "2001:db8::7", ttl: 60 }]);
  expect(await resolver().resolveCname("www.platform.test")).toEqual(["cluster.platform.test"]);
  // Whatever is asked of it: https://www.rfc-editor.org/rfc/rfc1034#section-3.6.2
  const { answers } = await overUdp([{ type: "A", name: "www.platform.test" }]);
  expect(answers).toMatchObject([{ type: "CNAME", data: "cluster.platform.test" }]);
});

it("tells a name without such a record from one that is not there, and both from what is not its own", async () => {
  await made(txt("one"));
  const query = (type: "A" | "CAA" | "TXT", name: string) => overUdp([{ type, name }]);
  // Names above one that exists are there.
  for (const name of [NAME, "cluster.platform.test", ZONE]) {
    const { rcode, answers, authorities } = await query("CAA", name);
    expect({ name, rcode, answers }).toEqual({ name, rcode: "NOERROR", answers: [] });
    expect(authorities).toMatchObject([{ type: "SOA", name: ZONE, data: { minimum: 0 } }]);
  }
  expect(await query("A", "nobody.platform.test")).toMatchObject({ rcode: "NXDOMAIN", answers: [], flag_aa: true });
  expect(await query("TXT", "example.com")).toMatchObject({ rcode: "REFUSED", answers: [], authorities: [] });
});

it("says who is the authority", async () => {
  expect(await resolver().resolveSoa(ZONE)).toMatchObject({ nsname: "ns.platform.test", minttl: 0 });
  expect(await resolver().resolveNs(ZONE)).toEqual(["ns.platform.test"]);
  await expect(resolver().resolveNs(NAME)).rejects.toThrow("ENOTFOUND");
});

it("sends what is too long for UDP over TCP", async () => {
  // One content of several strings, and more in all than a packet takes.
  const contents = ["a", "b", "c"].map((letter) => letter.repeat(300));
  for (const content of contents) await made(txt(content));
  expect(await overUdp([{ type: "TXT", name: NAME }])).toMatchObject({ flag_tc: true, answers: [] });
  expect(flat(await resolver().resolveTxt(NAME))).toEqual(contents);
});

it("takes several queries of one connection, in pieces", async () => {
  await made(txt("one"));
  const query = encode({ type: "query", id: 1, questions: [{ type: "TXT", name: NAME }] });
  const framed = Buffer.concat([Buffer.from([0, query.length]), query]);
  const socket = connect(standIn.ports.dns, "127.0.0.1");
  const received = async () => {
    const [answer] = (await once(socket, "data")) as [Buffer];
    expect(answer.length).toBe(2 + answer.readUInt16BE(0));
    return decode(answer.subarray(2)).answers;
  };
  const expected = [{ type: "TXT", name: NAME, data: [Buffer.from("one")] }];
  // The first whole, with the beginning of the second.
  socket.write(Buffer.concat([framed, framed.subarray(0, 5)]));
  expect(await received()).toMatchObject(expected);
  socket.write(framed.subarray(5));
  expect(await received()).toMatchObject(expected);
  socket.destroy();
});

it("answers no noise, and lives on", async () => {
  const socket = connect(standIn.ports.dns, "127.0.0.1");
  socket.write(Buffer.from([0, 3, 1, 2, 3]));
  await once(socket, "close");
  await made(txt("one"));
  const questions: Question[] = [{ type: "TXT", name: NAME }];
  const udp = createSocket("udp4");
  const send = (message: Buffer) =>
    new Promise((resolve) => udp.send(message, standIn.ports.dns, "127.0.0.1", resolve));
  await send(Buffer.from("noise"));
  await send(encode({ type: "response", id: 1, questions }));
  await send(encode({ type: "query", id: 2, questions: [] }));
  await send(encode({ type: "query", id: 3, questions }));
  const [message] = await once(udp, "message");
  udp.close();
  expect(decode(message).id).toBe(3);
});

/** What is answered to questions in one packet. */
async function overUdp(questions: Question[]) {
  const socket = createSocket("udp4");
  socket.send(encode({ type: "query", id: 7, questions }), standIn.ports.dns, "127.0.0.1");
  const [message] = await once(socket, "message");
  socket.close();
  // The types leave out what the package reads from the flags.
  return decode(message) as ReturnType<typeof decode> & { rcode: string };
}
