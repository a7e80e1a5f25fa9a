import { isIP } from "node:net";
import * as v from "valibot";

/** The network address of an IPv4 CIDR, or undefined when it is none. */
function networkOf(cidr: string): string | undefined {
  const [, address = "", bits] = /^([\d.]+)\/(\d|[12]\d|3[0-2])$/.exec(cidr) ?? [];
  if (isIP(address) !== 4) return undefined;
  const value = address.split(".").reduce((sum, octet) => sum * 256 + Number(octet), 0);
  const size = 2 ** (32 - Number(bits));
  const network = Math.floor(value / size) * size;
  return `${[24, 16, 8, 0].map((shift) => Math.floor(network / 2 ** shift) % 256).join(".")}/${bits}`;
}

/** Whether these let in as good as everybody: all of IPv4, or half of it. */
export const isEverybody = (cidrs: readonly string[]) => cidrs.some((cidr) => /\/[01]$/.test(cidr));

const EXAMPLE = "203.0.113.0/24";

export const cidr = v.pipe(
  v.string(`an IPv4 CIDR such as ${EXAMPLE}`),
  v.check(
    (value) => networkOf(value) === value,
    ({ input }) => `an IPv4 CIDR without host bits, such as ${networkOf(input) ?? EXAMPLE}`,
  ),
);
