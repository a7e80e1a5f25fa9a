import { describe, expect, it } from "vitest";
import { emailAddress, hasCredentials, isUrl, withoutCredentials } from "../../settings/addresses.ts";
import { account, mistakesIn, oke, settingsOf, there } from "./stacks.ts";

describe("an e-mail address", () => {
  it.each([
    "platform@example.com",
    "o'brien+tls@sub.example.co.uk",
    "a!#$%&'*+/=?^_`{|}~-b@example.com",
    '"on call"@example.com',
    "me@xn--bcher-kva.xn--p1ai",
    "me@[192.0.2.1]",
    "me@[IPv6:2001:db8::1]",
    `${"a".repeat(64)}@example.com`,
  ])("is %s", (address) => {
    expect(emailAddress(address)).toBe(true);
    expect(mistakesIn({ ...oke, ...account({ email: address }) })).toEqual([]);
  });

  it.each([
    "example.com",
    "@example.com",
    "a@",
    "a@localhost",
    "a..b@example.com",
    ".a@example.com",
    "a b@example.com",
    "a@exa mple.com",
    "a@[192.0.2]",
    "me@bücher.example",
    `${"a".repeat(65)}@example.com`,
    "mailto:a@example.com",
  ])("is not %s", (address) => {
    expect(emailAddress(address)).toBe(false);
  });
});

describe("a host name", () => {
  it("has no capitals and no dot at its end that would mean anything", () => {
    const services = [{ name: "a", namespace: "b", port: 80, host: "A.Cluster.Example.com." }];
    const made = settingsOf({ domain: "Example.COM.", services });
    expect(made).toEqual(settingsOf({ services: [{ ...services[0], host: "a.cluster.example.com" }] }));
    expect(
      mistakesIn({ ...oke, services: [...services, { ...services[0], name: "c", host: "a.cluster.example.com" }] }),
    ).toEqual([
      'services[1].host is "a.cluster.example.com"; allowed: a host that no other service has; services[0] has it already',
    ]);
  });
});

describe("a URL", () => {
  it.each(["https://[2001:db8::1]:8200", "http://[::1]", "https://vault.example.com:8200/v1", "http://192.0.2.1"])(
    "is %s",
    (url) => {
      expect(isUrl(url, "http:", "https:")).toBe(true);
      expect(mistakesIn({ ...oke, ...there({ address: url }) })).toEqual([]);
    },
  );

  it.each([
    ...["ftp://a", "https://", "https://user@a", "https://user:s3same@a", "https://:s3same@a", "https://[::1"],
    // What a browser forgives.
    ...[" https://a", "https://a\n", "https://a\tb", "https:a", "https:/a", "https:///a", "https:\\\\a"],
  ])("is not %j", (url) => {
    expect(isUrl(url, "http:", "https:")).toBe(false);
    expect(mistakesIn({ ...oke, ...there({ address: url }) })).toHaveLength(1);
  });
});

describe("names and passwords in URLs", () => {
  it.each([
    ["https://robot:s3same@a.example/b", "https://[credentials]@a.example/b"],
    ["https://s3same@a.example", "https://[credentials]@a.example"],
    ["https://robot:s3/s@me@a.example", "https://[credentials]@a.example"],
    ["robot:s3same@a.example", "[credentials]@a.example"],
    ['{"mirror":"oci://robot:s3same@a.example/b"}', '{"mirror":"oci://[credentials]@a.example/b"}'],
    ["no https://x:y@a and no http://z@b", "no https://[credentials]@a and no http://[credentials]@b"],
  ])("are not shown: %s", (text, shown) => {
    expect(hasCredentials(text)).toBe(true);
    expect(withoutCredentials(text)).toBe(shown);
  });

  it.each([
    "platform@example.com",
    "git@example.com:charts",
    "https://a.example/b",
    "r.example/a:1.2@sha256:abc",
    "a: b@c",
  ])("are not in %s", (text) => {
    expect(hasCredentials(text)).toBe(false);
    expect(withoutCredentials(text)).toBe(text);
  });
});
