import { describe, expect, it } from "vitest";
import { type CertificateTable, certificateTableOf, refusedCertificate } from "../../components/certificate-policy.ts";
import { plain } from "../../project/registration.ts";
import { policyRefusal } from "../../sandbox/world/admission.ts";
import { emptyWorld } from "../../sandbox/world/beginnings.ts";
import { openWorld } from "../../sandbox/world/systems.ts";
import { type Changes, named, registrationsOf } from "../harness.ts";
import { settingsOf } from "../settings/stacks.ts";

// For whom the ClusterIssuer signs, as the policy says it and as the tools do; a real API server reads the same policy in
// tests/cluster.

const STAGING = "cluster-issuer-letsencrypt-staging";
const onStaging: Changes = { acme: { email: "a@example.com", server: "staging" } };

type Asked = ReturnType<typeof asking>;
const asking = (namespace: string, issuerRef: object) => ({
  metadata: { name: "tls", namespace },
  spec: { issuerRef },
});

const refused = (issuer: string, namespace: string) =>
  `ClusterIssuer ${issuer} is the platform's and does not sign for namespace ${namespace}. Use an issuer of your own, or have whoever runs the platform add ${namespace} to tenancy.certificates`;

/** What the policy of the prod stack says, once it is in force. */
async function policyOf(changes: Changes) {
  const registrations = await registrationsOf("prod", changes);
  const world = openWorld(emptyWorld());
  for (const [kind, name] of [
    ["ValidatingAdmissionPolicy", "certificate-policy"],
    ["ValidatingAdmissionPolicyBinding", "certificate-policy-binding"],
  ] as const) {
    const { metadata, spec } = plain(named(registrations, name).inputs) as { metadata: { name: string }; spec: object };
    world.create({ kind, name: metadata.name, spec: { ...spec } });
  }
  world.advance(5);
  return (definition: string, { metadata, spec }: Asked) =>
    policyRefusal(world, definition, { kind: "x", ...metadata, spec })?.replace(/^.* denied request: /, "");
}

const KINDS = [
  "certificates.cert-manager.io",
  "certificaterequests.cert-manager.io",
  "orders.acme.cert-manager.io",
  "challenges.acme.cert-manager.io",
];

describe("what asks for a signature", async () => {
  const open: Changes = { ...onStaging, tenancy: { certificates: ["guest"] } };
  const policies = { closed: await policyOf(onStaging), guests: await policyOf(open) };
  const tables = Object.fromEntries(
    Object.entries({ closed: onStaging, guests: open }).map(([name, changes]) => [
      name,
      certificateTableOf(settingsOf(changes)),
    ]),
  ) as Record<keyof typeof policies, CertificateTable>;
  const ours = { kind: "ClusterIssuer", name: STAGING };

  it.each<[what: string, asked: Asked, refusal?: string, which?: keyof typeof policies]>([
    ["cert-manager's own", asking("cert-manager", ours)],
    ["another namespace", asking("evil", ours), refused(STAGING, "evil")],
    ["the group written out", asking("evil", { ...ours, group: "cert-manager.io" }), refused(STAGING, "evil")],
    ["the group left empty", asking("evil", { ...ours, group: "" }), refused(STAGING, "evil")],
    ["another group's issuer", asking("evil", { ...ours, group: "example.com" })],
    ["an Issuer of that name", asking("evil", { ...ours, kind: "Issuer" })],
    ["an Issuer of that name, as it is without a kind", asking("evil", { name: STAGING })],
    ["another ClusterIssuer", asking("evil", { ...ours, name: "cluster-issuer-letsencrypt" })],
    ["a guest", asking("guest", ours), undefined, "guests"],
    ["cert-manager beside a guest", asking("cert-manager", ours), undefined, "guests"],
    ["nobody's guest", asking("evil", ours), refused(STAGING, "evil"), "guests"],
  ])("is signed or refused for %s", (_what, asked, refusal, which = "closed") => {
    for (const definition of KINDS) expect(policies[which](definition, asked)).toBe(refusal);
    expect(refusedCertificate(asked, tables[which])).toBe(refusal);
  });
});

describe("the policy of certificates", () => {
  it.each<[what: string, changes: Changes, issuers: string[]]>([
    ["Let's Encrypt", {}, ["cluster-issuer-letsencrypt"]],
    ["its staging server", onStaging, [STAGING]],
    ["a CA of the cluster's own", { acme: { server: "ca" } }, ["cluster-issuer-ca", "cluster-issuer-ca-root"]],
  ])(
    "is another one for each issuer, so that the old one goes after the old issuer: %s",
    async (_what, changes, issuers) => {
      const registrations = await registrationsOf("prod", changes);
      const { metadata, spec } = named(registrations, "certificate-policy").inputs as {
        metadata: object;
        spec: { matchConditions: { expression: string }[] };
      };
      expect(metadata).toEqual({ name: `oke-platform-${issuers[0]}` });
      expect(spec.matchConditions[1]?.expression).toContain(` in ${JSON.stringify(issuers)} `);
      const made = registrations.filter(({ type }) => type.endsWith(":ClusterIssuer"));
      expect(made.map(({ inputs }) => (inputs.metadata as { name: string }).name).sort()).toEqual(issuers);
    },
  );

  it("is not there where the issuer signs for everybody", async () => {
    const registrations = await registrationsOf("prod", { tenancy: { certificates: "all" } });
    expect(registrations.map(({ name }) => name).filter((name) => name.startsWith("certificate-policy"))).toEqual([]);
    expect(certificateTableOf(settingsOf({ tenancy: { certificates: "all" } }))).toBe(undefined);
  });
});
