import { isIP, isIPv4, isIPv6 } from "node:net";
import { domainToASCII } from "node:url";

// Addresses as their standards have them, and what is told of those that are something else.

/** A DNS name of two labels or more: 253 characters and 63 in a label, RFC 1035; a dot at its end says that it is whole. */
export const hostPattern =
  /^(?=.{1,253}\.?$)([A-Za-z0-9]([-A-Za-z0-9]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]([-A-Za-z0-9]{0,61}[A-Za-z0-9])?\.?$/;

/** RFC 5321: at most 64 and 254 characters; a name or words in quotes before the @, a host or an address in brackets after it. */
export function emailAddress(value: string): boolean {
  const at = value.lastIndexOf("@");
  const [local, domain] = [value.slice(0, at), value.slice(at + 1)];
  const [, literal] = /^\[(?:IPv6:)?(.+)\]$/i.exec(domain) ?? [];
  return (
    at > 0 &&
    local.length <= 64 &&
    value.length <= 254 &&
    (/^[\w!#$%&'*+/=?^`{|}~-]+(\.[\w!#$%&'*+/=?^`{|}~-]+)*$/.test(local) ||
      /^"([\x20\x21\x23-\x5b\x5d-\x7e]|\\[\x20-\x7e])*"$/.test(local)) &&
    (literal === undefined ? hostPattern.test(domain) && !domain.endsWith(".") : isIP(literal) > 0)
  );
}

/**
 * Whether it is a URL of one of these schemes, and nobody's name or password is in it. As it stands: a browser's parser
 * forgives spaces around it, `https:host` and `https:\\\\host`, and who gets the text does not.
 */
export function isUrl(value: string, ...schemes: string[]): boolean {
  const url = URL.parse(value);
  return (
    url !== null &&
    /^[a-z]+:\/\/[^\s\\/][^\s\\]*$/i.test(value) &&
    schemes.includes(url.protocol) &&
    url.username === "" &&
    url.password === ""
  );
}

const hostOf = (address: string) => URL.parse(address)?.hostname ?? "";

/** Whether a URL stays on this machine. */
const isLoopback = (address: string) => /^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostOf(address));

/** Whether a URL can be that of a Service, `<service>.<namespace>` with or without what DNS adds. */
export const isInCluster = (address: string) =>
  /^[a-z0-9-]+\.[a-z0-9-]+(\.svc(\.cluster\.local)?)?$/.test(hostOf(address));

/** What of `<service>.<namespace>` may as well be a domain of the Internet, or of an office. */
const LIKE_A_DOMAIN =
  /^[^.]+\.([a-z]{2}|com|net|org|info|biz|app|cloud|dev|example|online|tech|xyz|corp|home|internal|lan|local)$/;

/** Whether what is sent to a URL can be read, and answered, by whoever is on the way. */
export const isExposed = (address: string) =>
  /^http:/i.test(address) && !isLoopback(address) && (!isInCluster(address) || LIKE_A_DOMAIN.test(hostOf(address)));

/**
 * Names and passwords in URLs, and in what was meant to be one: between the slashes and the last @, or at the beginning and
 * with a colon. Not an image's digest, which has an @ too.
 */
const CREDENTIALS = /(?<=\/\/)[^\s"'<>]*@|(?<![^\s"'])[^\s"'/:@<>]+:(?!\/\/)[^\s"'@<>]*@(?!sha256:)/g;

export const hasCredentials = (value: string) => value.search(CREDENTIALS) >= 0;

/** Text without the names and passwords that are in its URLs. */
export const withoutCredentials = (value: string) => value.replace(CREDENTIALS, "[credentials]@");

/** What to write in an address's place that is right but for its form; undefined where nothing is known. */
export function addressAdvice(value: string): string | undefined {
  if (isIPv4(value)) return `one address is ${value}/32`;
  if (isIPv6(value.replace(/\/\d+$/, ""))) return "IPv6 is out: the load balancer has IPv4 alone";
  const host = value.slice(value.lastIndexOf("@") + 1);
  const ascii = domainToASCII(host);
  if (/[\u0080-\uffff]/.test(host) && hostPattern.test(ascii))
    return `a name with other letters is written in punycode: ${ascii}`;
  return undefined;
}
