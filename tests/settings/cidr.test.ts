import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { balanced, itJudges, itRefuses, mistakesIn, oke, settingsOf } from "./stacks.ts";

// A failure prints its seed: FAST_CHECK_SEED=<seed> runs it again.
const seed = process.env.FAST_CHECK_SEED;
const parameters = seed === undefined ? {} : { seed: Number(seed) };

const spell = (address: number, bits: number) =>
  `${[24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join(".")}/${bits}`;
const hostMask = (bits: number) => (bits === 32 ? 0 : 0xffff_ffff >>> bits);
const anyAddress = fc.integer({ min: 0, max: 0xffff_ffff });
const withoutHostBits = "an IPv4 CIDR without host bits, such as";

describe("an IPv4 CIDR", () => {
  itJudges(
    [
      [
        "loadBalancer.allowedCidrs[0]",
        `${withoutHostBits} 203.0.113.0/24`,
        ["10.0.0.0", "10.0.0.0/33", "10.0.0.0/08", "10.0.0/24", "256.0.0.0/8", "::/0"],
        ["0.0.0.0/0", "10.1.2.3/32"],
      ],
      ["loadBalancer.allowedCidrs[0]", "an IPv4 CIDR such as 203.0.113.0/24", [10], []],
    ],
    balanced({ allowedCidrs: ["10.0.0.0/8"] }),
  );
  itRefuses([
    [
      "host bits, and names the network",
      balanced({ allowedCidrs: ["10.0.0.0/8", "192.168.7.9/22"] }),
      `loadBalancer.allowedCidrs[1] is "192.168.7.9/22"; allowed: ${withoutHostBits} 192.168.4.0/22`,
    ],
  ]);

  it("is accepted wherever it is aligned", () => {
    fc.assert(
      fc.property(anyAddress, fc.integer({ min: 0, max: 32 }), (address, bits) => {
        const cidr = spell(address & ~hostMask(bits), bits);
        expect(settingsOf(balanced({ allowedCidrs: [cidr] })).loadBalancer?.allowedCidrs).toEqual([cidr]);
      }),
      parameters,
    );
  });

  it("is refused with host bits, and the aligned one named", () => {
    const withHostBits = fc
      .integer({ min: 0, max: 31 })
      .chain((bits) => fc.tuple(anyAddress, fc.integer({ min: 1, max: hostMask(bits) }), fc.constant(bits)));
    fc.assert(
      fc.property(withHostBits, ([address, host, bits]) => {
        const network = address & ~hostMask(bits);
        const cidr = spell(network | host, bits);
        expect(mistakesIn({ ...oke, ...balanced({ allowedCidrs: [cidr] }) })).toEqual([
          `loadBalancer.allowedCidrs[0] is "${cidr}"; allowed: ${withoutHostBits} ${spell(network, bits)}`,
        ]);
      }),
      parameters,
    );
  });
});
