import { spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { Resolver } from "node:dns/promises";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { request } from "node:https";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { json } from "node:stream/consumers";
import { decode, encode, type Question } from "dns-packet";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { issue, newIssuer } from "../pki.ts";
import { type StandIn, type StandInOptions, startStandIn } from "./cloudflare.ts";
import { standInFiles } from "./fixtures.ts";

// The end-to-end test's stand-in for Cloudflare, by the calls of those who will use it: cert-manager, the provider, Pebble.

const ZONE = "platform.test";
const NAME = "_acme-challenge.cluster.platform.test";
const TOKEN = "0123456789abcdef0123456789abcdef01234567";

let root: string;
let options: StandInOptions;
let standIn: StandIn;
beforeAll(async () => {
  const issuer = await newIssuer("e2e");
  root = issuer.root;
  options = { zone: ZONE, token: TOKEN, tls: await issue(issuer, ["api.cloudflare.com"]) };
});
beforeEach(async () => {
  standIn = await startStandIn(options);
  return () => standIn.close();
});

interface Reply {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: whatever the API answers is compared as a whole.
  readonly body: any;
}

/** A call as cert-manager makes it: by Cloudflare's name, and the CA that was mounted. */
async function call(method: string, path: string, body?: object, token = TOKEN, { https } = standIn.ports) {
  const outgoing = request({
    host: "127.0.0.1",
    port: https,
    servername: "api.cloudflare.com",
    ca: root,
    agent: false,
    method,
    path: `/client/v4${path}`,
    headers: { authorization: `Bearer ${token}` },
  });
  outgoing.end(body && JSON.stringify(body));
  const [response] = await once(outgoing, "response");
  return { status: response.statusCode, body: await json(response) } as Reply;
}

const refused = (status: number, code: number, message: unknown = expect.any(String)) => ({
  status,
  body: { success: false, errors: [{ code, message }], messages: [], result: null },
});

const records = (more = "") => `/zones/${standIn.zoneId}/dns_records${more}`;
const txt = (content: string, name = NAME) => ({ type: "TXT", name, content, ttl: 60 });
const made = async (record: object) => (await call("POST", records(), record)).body.result;

function resolver(): Resolver {
  const it = new Resolver({ tries: 1, timeout: 2000 });
  it.setServers([`127.0.0.1:${standIn.ports.dns}`]);
  return it;
}

const flat = (answers: string[][]) => answers.map((parts) => parts.join("")).sort();

describe("the API", () => {
  it("knows the one zone by name, and says so of no other", async () => {
    const { body } = await call("GET", `/zones?name=${ZONE}`);
    expect(body).toMatchObject({ success: true, result: [{ id: standIn.zoneId, name: ZONE, status: "active" }] });
    // From the longest name down, as cert-manager looks for the zone of a challenge.
    for (const name of [NAME, "cluster.platform.test", "test"])
      expect((await call("GET", `/zones?name=${name}`)).body).toMatchObject({ success: true, result: [] });
    expect((await call("GET", `/zones/${standIn.zoneId}`)).body.result).toEqual(body.result[0]);
    expect(await call("GET", "/zones/0000")).toEqual(refused(404, 7003));
  });

  it("writes a record, finds it by type, name and content, changes it, and deletes it", async () => {
    const { status, body } = await call("POST", records(), txt("one"));
    expect(status).toBe(200);
    const record = body.result;
    expect(record).toMatchObject({ ...txt("one"), proxied: false, comment: null, tags: [] });
    expect(Math.abs(Date.now() - Date.parse(record.created_on))).toBeLessThan(60_000);
    const found = async (query: string) => (await call("GET", records(query))).body.result;
    expect(await found(`?per_page=100&type=TXT&name=${NAME}`)).toEqual([record]);
    expect(await found(`?name.exact=${NAME}&content=one`)).toEqual([record]);
    for (const query of ["?type=A", "?name=platform.test", "?name.exact=platform.test", "?content=two"])
      expect(await found(query)).toEqual([]);

    const changed = await call("PATCH", records(`/${record.id}`), { content: "two" });
    expect(changed.body.result).toMatchObject({ ...txt("two"), id: record.id, created_on: record.created_on });
    const written = await call("PUT", records(`/${record.id}`), { ...txt("three"), ttl: 1 });
    expect(written.body.result).toMatchObject({ ...txt("three"), ttl: 1, id: record.id });
    expect((await call("GET", records(`/${record.id}`))).body.result).toEqual(written.body.result);

    expect((await call("DELETE", records(`/${record.id}`))).body.result).toEqual({ id: record.id });
    expect(await call("DELETE", records(`/${record.id}`))).toEqual(refused(404, 81_044, "Record does not exist."));
    expect((await call("GET", records())).body).toMatchObject({ result: [], result_info: { total_count: 0 } });
  });

  it("refuses another token, for every call and with nothing done", async () => {
    const wrong = refused(403, 9109, "Invalid access token");
    expect(await call("GET", "/zones", undefined, "another")).toEqual(wrong);
    expect(await call("POST", records(), txt("one"), "another")).toEqual(wrong);
    expect((await call("GET", records())).body.result).toEqual([]);
  });

  it("refuses a record twice, outside of the zone, of another type, without content, and no JSON", async () => {
    await made(txt("one"));
    expect(await call("POST", records(), txt("one"))).toEqual(refused(400, 81_058));
    const elsewhere = [txt("one", "example.com"), txt("one", "notplatform.test")];
    for (const record of [...elsewhere, txt(""), { ...txt("1"), type: "MX" }])
      expect(await call("POST", records(), record)).toEqual(refused(400, 9005));
    expect((await call("GET", records())).body.result).toHaveLength(1);
  });

  it("verifies the token, and lists what a token for one zone is made of", async () => {
    expect((await call("GET", "/user/tokens/verify")).body.result).toMatchObject({ status: "active" });
    const scope = "com.cloudflare.api.account.zone";
    const { body } = await call("GET", `/user/tokens/permission_groups?scope=${scope}`);
    expect(body.result.map(({ name }: { name: string }) => name)).toEqual(["DNS Write", "DNS Read", "Zone Read"]);
    const ofAccounts = await call("GET", "/user/tokens/permission_groups?scope=com.cloudflare.api.account");
    expect(ofAccounts.body.result).toEqual([]);
    const named = await call("GET", "/user/tokens/permission_groups?name=Zone%20Read");
    expect(named.body.result).toEqual([{ id: expect.any(String), name: "Zone Read", scopes: [scope] }]);
  });

  it("knows nothing else", async () => {
    for (const path of ["/accounts", "/user", `${records()}/a/b`, "/zones/x/dns_records"])
      expect(await call("GET", path), path).toEqual(refused(404, 7003));
    expect(await call("DELETE", `/zones/${standIn.zoneId}`)).toEqual(refused(404, 7003));
  });

  it("is the same over HTTP, for a provider at the end of a port-forward", async () => {
    await made(txt("one"));
    const url = `http://127.0.0.1:${standIn.ports.http}/client/v4${records()}`;
    const response = await fetch(url, { headers: { authorization: `Bearer ${TOKEN}` } });
    expect(await response.json()).toEqual((await call("GET", records())).body);
  });
});

describe("the DNS", () => {
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

describe("the program in the pod", () => {
  let directory: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "oke-platform-stand-in-"));
    // As the volume of its ConfigMap has them, and nothing else of this project.
    const files = { ...standInFiles(), "tls.crt": options.tls.cert, "tls.key": options.tls.key };
    for (const [path, content] of Object.entries(files)) {
      await mkdir(dirname(join(directory, path)), { recursive: true });
      await writeFile(join(directory, path), content);
    }
  });
  afterAll(() => rm(directory, { recursive: true }));

  const start = (env: Record<string, string>) =>
    spawn(process.execPath, ["cloudflare.ts"], { cwd: directory, env, stdio: ["ignore", "pipe", "pipe"] });

  it("runs with its files alone, and serves", async () => {
    const child = start({
      ZONE,
      TOKEN,
      HOST: "127.0.0.1",
      CERT_FILE: "tls.crt",
      KEY_FILE: "tls.key",
      HTTP_PORT: "0",
      HTTPS_PORT: "0",
      DNS_PORT: "0",
    });
    try {
      const [line] = await once(createInterface(child.stdout), "line");
      const { body } = await call("GET", `/zones?name=${ZONE}`, undefined, TOKEN, JSON.parse(line));
      expect(body.result).toHaveLength(1);
    } finally {
      child.kill();
      await once(child, "close");
    }
  });

  it("says which variable it lacks", async () => {
    const child = start({ HTTP_PORT: "0", HTTPS_PORT: "0", DNS_PORT: "0" });
    let errors = "";
    child.stderr.on("data", (chunk) => {
      errors += chunk;
    });
    const [code] = await once(child, "close");
    expect({ code, errors }).toEqual({ code: 1, errors: expect.stringContaining("ZONE is not set") });
  });
});
