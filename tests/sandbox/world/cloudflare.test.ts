import { describe, expect, it } from "vitest";
import { Refusal, sha256 } from "../../../sandbox/world/state.ts";
import { apiToken, record } from "./requests.ts";
import { fresh, having, pass, without, withToken } from "./worlds.ts";

describe("rule 10: Cloudflare", () => {
  const GONE = "Secret cert-manager/token holds only a token that Cloudflare has deleted";

  it("tells of a token that is deleted while the cluster still holds it, and does not forget it", () => {
    const world = withToken(fresh());
    world.remove("ApiToken /dns-token");
    expect(world.state.violations).toEqual([]);
    pass(world, 0.5);
    expect(world.state.violations).toEqual([GONE]);
    world.removeNow("Secret cert-manager/token");
    withToken(world);
    without(world, apiToken());
    expect(world.state.violations).toEqual([GONE]);
  });

  it("lets a token go that the cluster does not hold any more", () => {
    const world = withToken(fresh());
    world.put({ ...apiToken({ valueHash: sha256("older") }), name: "older" });
    without(world, { ...apiToken(), name: "older" });
    expect(world.items("ApiToken").map(({ name }) => name)).toEqual(["dns-token"]);
    expect(world.state.violations).toEqual([]);
  });

  it("has no token to miss where the Secret is gone first", () => {
    const world = withToken(fresh());
    world.removeNow("Secret cert-manager/token");
    without(world, apiToken());
    expect(world.state.violations).toEqual([]);
  });

  const address = { type: "A", content: "192.0.2.7" };
  const alias = { type: "CNAME", content: "elsewhere.example.com" };
  const BESIDE_ANY = "81053: An A, AAAA, or CNAME record with that host already exists.";
  const BESIDE_ALIAS = "81054: A CNAME record with that host already exists.";

  it.each([
    ["an identical record", address, address, "81058: An identical record already exists."],
    ["an address beside a CNAME", alias, address, BESIDE_ALIAS],
    ["an IPv6 address beside a CNAME", alias, { type: "AAAA", content: "2001:db8::7" }, BESIDE_ALIAS],
    ["a CNAME beside an address", address, alias, BESIDE_ANY],
    ["a CNAME beside a CNAME", alias, { ...alias, content: "other.example.com" }, BESIDE_ANY],
  ])("refuses %s", (_, first, second, refusal) => {
    const world = fresh(record("a", first));
    expect(() => world.create(record("b", second))).toThrow(new Refusal(refusal));
  });

  it("refuses a change to what another record is", () => {
    const world = fresh(record("a"), record("b", { content: "192.0.2.8" }));
    expect(() => world.update("DnsRecord /b", record("a").spec)).toThrow(
      new Refusal("81058: An identical record already exists."),
    );
    expect(world.item("DnsRecord /b")?.spec.content).toBe("192.0.2.8");
  });

  it("takes another address of the same name, the same address of another name, and a TXT record beside them", () => {
    const world = fresh(record("a"));
    having(world, record("b", { content: "192.0.2.8" }), record("c", { name: "cluster.example.com" }));
    having(world, record("d", { type: "TXT", content: "text" }));
    world.update("DnsRecord /a", record("a").spec);
    expect(world.items("DnsRecord").map(({ name }) => name)).toEqual(["a", "b", "c", "d"]);
  });

  it("refuses a record in a zone that is not there", () => {
    expect(() => fresh().create(record("a", { zoneId: "nowhere" }))).toThrow(
      new Refusal("7003: Could not route to /zones/nowhere/dns_records, perhaps your object identifier is invalid?"),
    );
  });
});
