import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { standInFiles } from "./fixtures.ts";
import { call, made, NAME, options, records, setUpStandIn, standIn, TOKEN, txt, ZONE } from "./stand-in.ts";

setUpStandIn();

const refused = (status: number, code: number, message: unknown = expect.any(String)) => ({
  status,
  body: { success: false, errors: [{ code, message }], messages: [], result: null },
});

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
    for (const record of [
      txt("one", "example.com"),
      txt("one", "notplatform.test"),
      txt(""),
      { ...txt("1"), type: "MX" },
    ])
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
