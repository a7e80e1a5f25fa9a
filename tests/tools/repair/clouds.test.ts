import { describe, expect, it } from "vitest";
import type { AskOci } from "../../../tools/doctor/oci-cli.ts";
import type { AskVault } from "../../../tools/doctor/vault-api.ts";
import type { AskCloudflare } from "../../../tools/lib/cloudflare-api.ts";
import { deleteToken, findAtCloudflare, findRival } from "../../../tools/repair/cloudflare.ts";
import { findAtOci } from "../../../tools/repair/oci.ts";
import type { LostCreate, StateResource } from "../../../tools/repair/state.ts";
import { findInVault } from "../../../tools/repair/vault.ts";

// What a create has left where names are not identities, and where nobody but the maker knows a value.

const create = (type: string, inputs: Record<string, unknown>, known?: StateResource): LostCreate => ({
  resource: { urn: `urn:pulumi:prod::oke-platform::${type}::it`, type, custom: true, inputs },
  known,
});
const inState = (id: string, inputs: Record<string, unknown> = {}): StateResource => ({
  ...{ urn: "urn", type: "type", custom: true, id, inputs },
});

describe("at OCI", () => {
  const answering = (answers: Record<string, object[]>): AskOci =>
    (async (...args: string[]) => {
      const answer = answers[args.join(" ")];
      if (answer === undefined) throw new Error(`not asked for: ${args.join(" ")}`);
      return answer;
    }) as AskOci;
  const named = (id: string, name: string, created = "2026-11-27T10:00:00Z", state = "AVAILABLE") => ({
    ...{ id, "display-name": name, "time-created": created, "lifecycle-state": state },
  });
  const ips = "network public-ip list --scope REGION --lifetime RESERVED --compartment-id c1 --all";
  const ip = create("oci:Core/publicIp:PublicIp", { compartmentId: "c1", displayName: "oke-platform-prod" });

  it("a reserved IP is the newest of its name that the state does not have; others are left as they are", async () => {
    const oci = answering({
      [ips]: [
        named("ip-kept", "oke-platform-prod", "2026-11-01T10:00:00Z"),
        named("ip-lost", "oke-platform-prod"),
        named("ip-state", "oke-platform-prod", "2026-11-28T10:00:00Z"),
        named("ip-gone", "oke-platform-prod", "2026-11-29T10:00:00Z", "TERMINATED"),
        named("ip-other", "oke-platform-lab", "2026-11-29T10:00:00Z"),
      ],
    });
    expect(await findAtOci(ip, [inState("ip-state")], oci)).toMatchObject({
      subject: "PublicIp oke-platform-prod",
      kind: "mend",
      found: "is there: a run was cut off while it made it; ip-kept of the same name stay as they are",
      steps: [{ do: "import", adoption: { resource: ip.resource, id: "ip-lost", outputs: {} } }],
    });
  });

  it("what is not there is forgotten, and a second one beside the state's own is only told", async () => {
    expect((await findAtOci(ip, [], answering({ [ips]: [] }))).kind).toBe("clear");
    const second = { ...ip, known: inState("ip-state", ip.resource.inputs) };
    const oci = answering({ [ips]: [named("ip-lost", "oke-platform-prod"), named("ip-state", "oke-platform-prod")] });
    expect(await findAtOci(second, [inState("ip-state")], oci)).toMatchObject({
      kind: "tell",
      found: "ip-lost beside the state's own",
    });
  });

  it.each([
    [
      "oci:Core/networkSecurityGroup:NetworkSecurityGroup",
      "network nsg list --compartment-id c1 --vcn-id v1 --all",
      "id1",
    ],
    ["oci:Kms/vault:Vault", "kms management vault list --compartment-id c1 --all", "id1"],
    [
      "oci:Kms/key:Key",
      "kms management key list --compartment-id c1 --endpoint https://e1 --all",
      "managementEndpoint/https://e1/keys/id1",
    ],
  ])("%s is found by its name, as its import takes it", async (type, command, id) => {
    const inputs = { compartmentId: "c1", vcnId: "v1", managementEndpoint: "https://e1", displayName: "n" };
    const { steps } = await findAtOci(create(type, inputs), [], answering({ [command]: [named("id1", "n")] }));
    expect(steps).toMatchObject([{ do: "import", adoption: { id } }]);
  });

  it("a rule is the one of the same words, way and ports", async () => {
    const rule = (id: string, changes: object = {}) => ({
      ...{ id, description: "0.0.0.0/0 to listener 80", direction: "INGRESS", protocol: "6", source: "0.0.0.0/0" },
      destination: null,
      "tcp-options": { "destination-port-range": { min: 80, max: 80 } },
      ...changes,
    });
    const lost = create("oci:Core/networkSecurityGroupSecurityRule:NetworkSecurityGroupSecurityRule", {
      ...{ networkSecurityGroupId: "nsg1", description: "0.0.0.0/0 to listener 80", direction: "INGRESS" },
      ...{ protocol: "6", source: "0.0.0.0/0", sourceType: "CIDR_BLOCK" },
      tcpOptions: { destinationPortRange: { min: 80, max: 80 } },
    });
    const ports = { "tcp-options": { "destination-port-range": { min: 443, max: 443 } } };
    const rules = [rule("a", ports), rule("b", { description: null }), rule("c", { direction: "EGRESS" }), rule("d")];
    const oci = answering({ "network nsg rules list --nsg-id nsg1 --all": rules });
    const { steps } = await findAtOci(lost, [], oci);
    expect(steps).toMatchObject([{ do: "import", adoption: { id: "networkSecurityGroups/nsg1/securityRules/d" } }]);
  });
});

describe("at Cloudflare", () => {
  const record = (id: string, type: string, content: string) => ({ id, type, name: "a.example.com", content });
  const answering = (answers: Record<string, unknown>): AskCloudflare =>
    (async (path: string, method = "GET") => {
      const answer = answers[`${method} ${path}`];
      return answer === undefined ? { refusal: `Cloudflare answers 404 to ${path}` } : { result: answer };
    }) as AskCloudflare;
  const at = "GET /zones/z1/dns_records?name.exact=a.example.com&per_page=100";
  const lost = create("cloudflare:index/dnsRecord:DnsRecord", {
    ...{ zoneId: "z1", name: "a.example.com", type: "A", content: "203.0.113.10" },
  });

  it("a record of the same content is taken over, and another's is not", async () => {
    const there = [record("r1", "A", "198.51.100.1"), record("r2", "A", "203.0.113.10")];
    expect((await findAtCloudflare(lost, [], answering({ [at]: there }))).steps).toMatchObject([
      { do: "import", adoption: { id: "z1/r2" } },
    ]);
    expect((await findAtCloudflare(lost, [inState("r2")], answering({ [at]: there }))).kind).toBe("clear");
  });

  it("a record that no run is known to have made is told, with the way that there is", async () => {
    const zone = {
      "GET /zones?name=example.com": [
        { id: "z0", status: "pending" },
        { id: "z1", status: "active" },
      ],
    };
    const rival = (...there: object[]) =>
      findRival(
        { domain: "example.com", name: "a.example.com" },
        (id) => `take over ${id}`,
        answering({ ...zone, [at]: there }),
      );
    expect(await rival(record("r0", "TXT", "x"))).toBe(undefined);
    expect(await rival(record("r1", "A", "198.51.100.1"))).toMatchObject({
      kind: "tell",
      plan: "delete it at Cloudflare, or take over z1/r1",
    });
    expect((await rival(record("r1", "CNAME", "x.example.org")))?.plan).toBe(
      "delete it at Cloudflare; an A record cannot be made of it",
    );
  });

  it("tokens of the name are deleted, but for the state's own, on whatever page", async () => {
    const page = Array.from({ length: 50 }, (_, index) => ({ id: `t${index}`, name: "somebody's" }));
    const name = "oke-platform-prod-1";
    const cloudflare = answering({
      "GET /user/tokens?page=1&per_page=50": page,
      "GET /user/tokens?page=2&per_page=50": [
        { id: "lost", name },
        { id: "state", name },
      ],
      "DELETE /user/tokens/lost": { id: "lost" },
    });
    const token = create("cloudflare:index/apiToken:ApiToken", { name });
    expect((await findAtCloudflare(token, [inState("state")], cloudflare)).steps).toEqual([
      { do: "delete-token", id: "lost" },
    ]);
    expect((await findAtCloudflare(token, [inState("state"), inState("lost")], cloudflare)).kind).toBe("clear");
    await deleteToken("lost", cloudflare);
    await expect(deleteToken("t1", cloudflare)).rejects.toThrow("Cloudflare answers 404 to /user/tokens/t1");
  });
});

describe("in Vault", () => {
  const answering = (status: number, body: object): AskVault => (async () => ({ status, body })) as AskVault;
  const audit = create("vault:index/audit:Audit", { path: "file", type: "file" });

  it("an audit device is taken over", async () => {
    const { subject, steps } = await findInVault(audit, answering(200, { data: { "file/": {} } }));
    expect([subject, steps]).toMatchObject(["Vault's Audit file", [{ do: "import", adoption: { id: "file" } }]]);
    expect((await findInVault(audit, answering(200, { data: {} }))).kind).toBe("clear");
  });

  it("a device that cannot be seen is not taken for missing", async () => {
    await expect(findInVault(audit, answering(403, { errors: ["permission denied"] }))).rejects.toThrow(
      "Vault answers 403 permission denied",
    );
  });

  it("everything else is written again", async () => {
    const role = create("vault:kubernetes/authBackendRole:AuthBackendRole", {
      backend: "kubernetes",
      roleName: "reader",
    });
    expect(await findInVault(role, answering(500, {}))).toMatchObject({
      subject: "Vault's AuthBackendRole kubernetes/reader",
      kind: "clear",
    });
  });
});
