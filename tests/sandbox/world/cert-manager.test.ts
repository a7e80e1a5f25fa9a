import { describe, expect, it, vi } from "vitest";
import { apiToken, certificate, certManager, DAY, HOSTS, issuer, selfSigned } from "./requests.ts";
import {
  fresh,
  having,
  issuing,
  keyOfRequest,
  pass,
  READY,
  readyAfter,
  stateOf,
  triesOf,
  without,
  withToken,
} from "./worlds.ts";

describe("rule 6: cert-manager and the ACME server", () => {
  const ISSUED = { hosts: String(HOSTS), failed: false, issuer: "letsencrypt" };
  const FAILED = "acme: authorization error: 403 urn:ietf:params:acme:error:unauthorized: No TXT record found";

  it("takes 62 s for a name, one after the other, and stores the certificate", () => {
    const world = issuing();
    const start = world.now;
    expect(readyAfter(world, world.create(certificate({ dnsNames: undefined, commonName: "one.example.com" })))).toBe(
      62,
    );
    without(world, certificate());
    expect(readyAfter(world, world.create(certificate()))).toBe(124);
    expect(world.state.acme).toEqual([
      { at: start + 62, hosts: "one.example.com", failed: false, issuer: "letsencrypt" },
      { at: start + 186.5, ...ISSUED },
    ]);
    expect(world.item("Secret cert-manager/tls")?.spec).toEqual({
      hosts: HOSTS,
      issuer: "letsencrypt",
      issuerKind: "ClusterIssuer",
      serial: 2,
      annotations: {},
    });
  });

  it("takes a set wait and 2 s for a name", () => {
    const world = issuing("30s");
    expect(readyAfter(world, world.create(certificate()))).toBe(64);
  });

  it.each<[string, string, number, boolean]>([
    ["the usual 8 s", "8s", 1 - Number.EPSILON, true],
    ["less than the usual 8 s", "7s", 1 - Number.EPSILON, false],
    ["about the usual 1 s", "2s", 0.02, true],
    ["less than the usual 1 s", "1s", 0.02, false],
    ["the rare 25 s", "25s", 0.02 - Number.EPSILON, true],
    ["less than the rare 25 s", "24s", 0.02 - Number.EPSILON, false],
  ])("with a wait of %s: %s", (_, wait, chance, valid) => {
    const world = issuing(wait);
    vi.spyOn(world, "random").mockReturnValue(chance);
    const item = world.create(certificate());
    pass(world, 1000);
    expect(item.ready).toBe(valid);
  });

  it("fails when the validation comes before the record, and waits an hour, then two, at most 32", () => {
    const world = issuing("0s");
    const item = world.create(certificate());
    const start = world.now;
    // A validation ends 2 s after it begins, and the wait begins then.
    const tries = [0, 3602, 10_804, 25_206, 54_008, 111_610, 226_812, 342_014];
    expect(triesOf(world, "issue", tries.at(-1) ?? 0)).toEqual(tries);
    expect(stateOf(item)).toEqual({ ready: false, reason: "Waiting for DNS-01 challenge propagation" });
    pass(world, 2);
    expect(stateOf(item)).toEqual({ ready: false, reason: FAILED });
    expect(world.state.acme).toEqual(
      tries.map((at) => ({ at: start + at + 2, hosts: String(HOSTS), failed: true, issuer: "letsencrypt" })),
    );
  });

  it("waits for an issuer that is not Ready, and goes on at once when it is", () => {
    const world = withToken(fresh(certManager));
    const item = world.create(certificate());
    pass(world, 1000);
    expect(stateOf(item)).toEqual({ ready: false, reason: 'Referenced "ClusterIssuer" not ready: letsencrypt' });
    world.create(issuer());
    expect(readyAfter(world, item)).toBe(3 + 124);
  });

  it.each([
    ["that cannot edit the zone", apiToken({ zones: ["another"] }), "403 Invalid access token"],
    ["that cannot write DNS", apiToken({ permissions: ["Zone Read"] }), "403 Invalid access token"],
    ["that cannot read the zone", apiToken({ permissions: ["DNS Write"] }), "403 Invalid access token"],
    ["that is not the one in the Secret", apiToken({ valueHash: "other" }), "403 Invalid access token"],
    ["that is missing", undefined, 'secrets "token" not found'],
  ])("tries a challenge with a token %s again from 5 s to 1800 s", (_, token, reason) => {
    const world = fresh(certManager, issuer());
    if (token) withToken(world, token);
    const item = world.create(certificate());
    expect(triesOf(world, "present", 8000)).toEqual([5, 15, 35, 75, 155, 315, 635, 1275, 2555, 4355, 6155, 7955]);
    expect(stateOf(item)).toEqual({ ready: false, reason: `Error presenting challenge: ${reason}` });
    expect(world.state.acme).toEqual([]);
  });

  it("goes on at the next try when the token has come", () => {
    const world = fresh(certManager, issuer());
    const item = world.create(certificate());
    pass(world, 36);
    withToken(world);
    // Tries at 0, 5, 15, 35 and 75 s.
    expect(readyAfter(world, item)).toBe(39 + 124);
  });

  it("uses a Secret again that fits", () => {
    const world = without(having(issuing(), certificate()), certificate());
    expect(readyAfter(world, world.create(certificate()))).toBe(0.2);
    expect(world.state.acme.map(({ failed }) => failed)).toEqual([false]);
  });

  it("issues again for an issuer of another name, and for other hosts", () => {
    const world = having(issuing(), issuer(undefined, "other"), certificate());
    const item = world.update(
      "Certificate cert-manager/tls",
      certificate({ issuerRef: { kind: "ClusterIssuer", name: "other" } }).spec,
    );
    expect(readyAfter(world, item)).toBe(124);
    world.update("Certificate cert-manager/tls", certificate({ dnsNames: ["a.example.com"] }).spec);
    expect(readyAfter(world, item)).toBe(62);
    expect(world.state.acme.map(({ hosts, issuer: by }) => [hosts, by])).toEqual([
      [String(HOSTS), "letsencrypt"],
      [String(HOSTS), "other"],
      ["a.example.com", "letsencrypt"],
    ]);
  });

  it("does not issue again for another server behind the issuer's name", () => {
    const world = having(issuing(), certificate());
    const other = issuer(undefined, "letsencrypt", "https://other.example/directory");
    world.update(keyOfRequest(other), other.spec);
    pass(world, DAY);
    without(world, certificate());
    expect(readyAfter(world, world.create(certificate()))).toBe(0.2);
    expect(world.state.acme).toHaveLength(1);
  });

  it("brings changed annotations to the Secret, stays Ready, and issues nothing", () => {
    const world = having(issuing(), certificate());
    const item = world.update(
      "Certificate cert-manager/tls",
      certificate({ secretTemplate: { annotations: { a: "b" } } }).spec,
    );
    expect(stateOf(item)).toEqual(READY);
    expect(world.item("Secret cert-manager/tls")?.spec).toEqual({
      hosts: HOSTS,
      issuer: "letsencrypt",
      issuerKind: "ClusterIssuer",
      serial: 1,
      annotations: { a: "b" },
    });
    pass(world, DAY);
    expect(world.state.acme).toHaveLength(1);
  });

  it("issues once for another key, and not for the one that it has without being told", () => {
    const world = having(issuing(), certificate());
    const key = (algorithm: string, size: number) =>
      readyAfter(
        world,
        world.update("Certificate cert-manager/tls", certificate({ privateKey: { algorithm, size } }).spec),
      );
    expect([key("RSA", 2048), key("ECDSA", 256), key("ECDSA", 256), key("RSA", 2048)]).toEqual([0, 124, 0, 124]);
    expect(world.state.acme).toHaveLength(3);
  });

  it("issues again without the common name that it has, or for another", () => {
    const world = having(issuing(), certificate({ commonName: HOSTS[0] }));
    const issued = () => world.state.acme.length;
    const change = (commonName?: string) =>
      readyAfter(
        world,
        world.update("Certificate cert-manager/tls", certificate({ ...(commonName && { commonName }) }).spec),
      );
    change(HOSTS[0]);
    expect(issued()).toBe(1);
    change();
    expect(issued()).toBe(2);
    change(HOSTS[1]);
    expect(issued()).toBe(3);
  });

  it("validates every host anew when the hosts change half-way", () => {
    const world = issuing();
    const item = world.create(certificate());
    pass(world, 100);
    world.update("Certificate cert-manager/tls", certificate({ dnsNames: ["a.example.com", "b.example.com"] }).spec);
    expect(readyAfter(world, item)).toBe(124);
  });

  it("begins a Certificate from the start that was removed half-way", () => {
    const world = issuing();
    world.create(certificate());
    pass(world, 100);
    without(world, certificate());
    expect(readyAfter(world, world.create(certificate()))).toBe(124);
  });

  it("issues nothing while cert-manager is gone, and takes it up again when it is back", () => {
    const world = issuing();
    const item = world.create(certificate());
    pass(world, 100);
    without(world, certManager);
    pass(world, DAY);
    expect([item.ready, world.state.acme]).toEqual([false, []]);
    having(world, certManager);
    expect(readyAfter(world, item)).toBe(124);
  });

  it("lets five validations fail in an hour, and refuses the sixth order", () => {
    const world = issuing("0s");
    for (let count = 1; count <= 5; count++) {
      world.create(certificate());
      pass(world, 3);
      without(world, certificate());
    }
    expect(world.state.acme.map(({ failed }) => failed)).toEqual([true, true, true, true, true]);
    const item = world.create(certificate());
    pass(world, 1);
    expect(stateOf(item)).toEqual({
      ready: false,
      reason: "429 urn:ietf:params:acme:error:rateLimited: too many failed authorizations (5) in the last 1h",
    });
    // An hour later it may try, and fail, again.
    pass(world, 3602);
    expect([stateOf(item).reason, world.state.acme.length]).toEqual([FAILED, 6]);
  });

  it("issues five certificates for the same hosts in a week, and the sixth when the week is over", () => {
    const world = issuing();
    const again = () => {
      world.removeNow("Secret cert-manager/tls");
      return world.create(certificate());
    };
    for (let count = 1; count <= 5; count++) {
      expect(readyAfter(world, again())).toBe(124);
      without(world, certificate());
    }
    const item = again();
    pass(world, 1);
    expect(stateOf(item)).toEqual({
      ready: false,
      reason:
        "429 urn:ietf:params:acme:error:rateLimited: too many certificates (5) already issued for this exact set of identifiers in the last 168h",
    });
    // Refused orders wait like failed ones, so at 1, 3, 7, 15, 31, 63, 95, 127, 159 and 191 h.
    expect(readyAfter(world, item)).toBe(191 * 3600 - 1 + 124);
    expect(world.state.acme.map(({ failed }) => failed)).toEqual([false, false, false, false, false, false]);
  });

  it("counts the limits for each issuer and each set of hosts by itself", () => {
    const world = having(issuing(), issuer(undefined, "other"));
    for (let count = 1; count <= 5; count++) world.state.acme.push({ at: world.now, ...ISSUED });
    expect(readyAfter(world, world.create(certificate({ issuerRef: { kind: "ClusterIssuer", name: "other" } })))).toBe(
      124,
    );
    const fewer = { ...certificate({ dnsNames: ["cluster.example.com"], secretName: "two" }), name: "two" };
    expect(readyAfter(world, world.create(fewer))).toBe(62);
  });

  it("signs inside the cluster in 0.2 s, once the authority's key pair is there, tried from 5 s to 300 s", () => {
    const world = fresh(certManager);
    const authority = world.create({ kind: "ClusterIssuer", name: "ca", spec: { ca: { secretName: "ca" } } });
    expect(triesOf(world, "register", 1000)).toEqual([3, 8, 18, 38, 78, 158, 318, 618, 918]);
    expect(stateOf(authority)).toEqual({
      ready: false,
      reason: "Error getting keypair for CA issuer: secret not found",
    });
    having(world, selfSigned);
    const key = {
      secretName: "ca",
      issuerRef: { kind: "ClusterIssuer", name: "self-signed" },
      isCA: true,
      commonName: "ca",
    };
    having(world, { kind: "Certificate", namespace: "cert-manager", name: "ca", spec: key });
    readyAfter(world, authority);
    expect(readyAfter(world, world.create(certificate({ issuerRef: { kind: "ClusterIssuer", name: "ca" } })))).toBe(
      0.2,
    );
  });
});
