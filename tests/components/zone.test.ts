import { expect, it } from "vitest";
import { activeZone, zoneFault } from "../../components/zone.ts";

const zone = (status: string, name: string) => ({ id: `${status} ${name}`, status, account: { name } });

it("is the active one, of several accounts that have one of the name", () => {
  const zones = [zone("moved", "A"), zone("active", "B"), zone("pending", "C")];
  expect(activeZone(zones)?.id).toBe("active B");
  expect(activeZone([zone("pending", "A")])).toBe(undefined);
});

it.each([
  [
    [],
    {
      reason: "the token sees no zone example.com",
      action: "correct domain, add the zone at Cloudflare, or let the token see it (Zone > Zone > Read)",
    },
  ],
  [
    [zone("pending", "A")],
    {
      reason: "the zone example.com is pending: the world does not ask Cloudflare for it",
      action: "set the name servers that Cloudflare names at the domain's registrar",
    },
  ],
  [
    [zone("pending", "A"), zone("moved", "B")],
    {
      reason:
        "the zone example.com is pending in account A and moved in account B: the world does not ask Cloudflare for it",
      action: "set the name servers that Cloudflare names at the domain's registrar",
    },
  ],
])("is missed in words, with %j", (zones, fault) => {
  expect(zoneFault("example.com", zones)).toEqual(fault);
});
