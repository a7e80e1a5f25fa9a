import { beforeAll, describe, expect, it } from "vitest";
import type { Registration } from "../../../project/record.ts";
import { readStack } from "../../../project/stack.ts";
import { diffOf, type Revision } from "../../../tools/diff/diff.ts";
import { diffText } from "../../../tools/diff/print.ts";
import { withoutSecrets } from "../../../tools/plan/plan.ts";
import { registrationOf } from "./registration.ts";
import { revision } from "./revision.ts";

// What a reviewer is told of a change.

let shipped: Awaited<ReturnType<typeof revision>>;
beforeAll(async () => {
  shipped = await revision();
});

/** The text of what a change from one way of setting prod up to another does. */
const told = (before: Revision, after: Revision) => diffText("base", [diffOf({ stack: "prod", before, after })]);

const kms = {
  kmsVaultId: "ocid1.vault.oc1.eu-frankfurt-1.aaaa.bbbb",
  kmsKeyId: "ocid1.key.oc1.eu-frankfurt-1.aaaa.bbbb",
};

const loadBalancer = async (changes: Record<string, unknown>) => {
  const { values } = await readStack("prod");
  return { loadBalancer: { ...JSON.parse(values["oke-platform:loadBalancer"] ?? "{}"), ...changes } };
};

describe("a reviewer is told", () => {
  it("nothing of a change that changes nothing", async () => {
    expect(told(shipped, await revision())).toBe("compared with base\n\nprod: nothing changes\n");
    // A date that is counted from today, which Pulumi is told to leave alone.
    const ends = (tokenExpiresDays: number) => revision({ cloudflare: { tokenExpiresDays } });
    expect(told(await ends(30), await ends(60))).toContain("nothing changes");
  });

  describe.each([
    {
      settings: {
        acme: { server: "staging", email: "platform@example.com", propagationSeconds: 30 },
        reflector: { namespaces: "all" },
        gateway: { minTls: "1.3" },
        certificate: { key: "rsa-2048" },
        cloudflare: { tokenSerial: 2, proxied: true },
        vault: { address: "http://127.0.0.1:8200", path: "prod/other" },
        charts: {
          istio: { version: "1.30.0" },
          certManager: { values: { imageRegistry: "registry.example.com" } },
          reflector: { repo: "oci://registry.example.com/charts" },
        },
      },
      says: [
        "RISK Certificates will come from Let's Encrypt's staging server instead of Let's Encrypt\n       A new certificate is issued, which no browser trusts.",
        "RISK The certificate's private key will be copied to every namespace instead of istio-system",
        "RISK The lowest TLS version becomes TLSV1_3 instead of TLSV1_2",
        "RISK The certificate's key becomes RSA 2048 instead of ECDSA P-256\n       A new certificate is issued, which no browser trusts. The one of before is served until then.",
        "The DNS token is rotated: oke-platform-prod-2 is made at Cloudflare and handed to the cluster within the hour",
        "RISK DNS of cluster.example.com and *.cluster.example.com: proxied false → true, ttl 300 → 1",
        "RISK vault-secret (SecretV2) is replaced: name prod/cert-manager → prod/other",
        /RISK Charts base, gateway and istiod go from [\d.]+ to 1\.30\.0\n {7}up refuses it: Istio would go back from/,
        "Values of the chart of cert-manager: values.imageRegistry becomes registry.example.com",
        "Chart reflector goes to the source oci://registry.example.com/charts instead of https://emberstack.github.io/helm-charts",
      ],
    },
    {
      settings: {
        acme: { server: "production", email: "platform@example.com", propagationSeconds: 20 },
        cluster: { id: "ocid1.cluster.oc1.eu-frankfurt-1.aaaaother" },
        charts: { istio: { version: "1.34.0" }, certManager: { version: "v1.24.0" } },
        externalSecrets: { install: false },
        size: "small",
        services: [
          { name: "safe", namespace: "vault", service: "vault", port: 8200, host: "vault.cluster.example.com" },
          { name: "argocd", namespace: "argocd", service: "argocd-server", port: 80, host: "cd.cluster.example.com" },
        ],
      },
      says: [
        "RISK The issuer changes: spec.acme.solvers[0].waitInsteadOfSelfCheck 30s → 20s",
        /RISK The cluster becomes cluster\.id \S+aaaaother instead of cluster\.id \S+\n {7}up refuses it: everything/,
        "RISK External Secrets is no longer installed by this stack\n       up refuses it as long as the cluster has",
        /RISK Charts base, gateway and istiod go from [\d.]+ to 1\.34\.0\n {7}up refuses it: Istio would go from [\d.]+ to 1\.34\.0, and goes one minor version at a time\. The next step is 1\.32\.0\./,
        /^ {2}Chart cert-manager goes from v[\d.]+ to v1\.24\.0$/m,
        "RISK Chart external-secrets is uninstalled from external-secrets",
        "RISK external-secrets-namespace (Namespace) is removed\n       Everything in the namespace goes with it.",
        "Order: secret-store no longer waits for external-secrets",
        "Replicas of cert-manager: cainjector.replicaCount 2 → 1, replicaCount 2 → 1, webhook.replicaCount 3 → 1",
        /Values of the chart of istio-istiod: global, resources and topologySpreadConstraints, \d+ fields in all/,
        "RISK vault.cluster.example.com stays with vault:8200 in vault\n       It becomes another VirtualService",
        "RISK cd.cluster.example.com will be routed to argocd-server:80 in argocd, and argocd.cluster.example.com no longer",
      ],
    },
  ])("of", ({ settings, says }) => {
    let after: Awaited<ReturnType<typeof revision>>;
    let text: string;
    beforeAll(async () => {
      after = await revision(settings);
      text = told(shipped, after);
    });

    it.each(says)("%s", (sentence) => {
      if (sentence instanceof RegExp) expect(text).toMatch(sentence);
      else expect(text).toContain(sentence);
    });

    it("everything else that differs too, and each field once", () => {
      const was = new Map(shipped.registrations.map((it) => [it.urn, it]));
      const differ = ({ urn, inputs, dependsOn }: Registration) =>
        JSON.stringify([inputs, dependsOn]) !== JSON.stringify([was.get(urn)?.inputs, was.get(urn)?.dependsOn]);
      for (const { name } of after.registrations.filter(differ))
        expect(text).toMatch(new RegExp(`^ {6}[!+] ${name} `, "m"));
      let resource = "";
      const fields = text.split("\n").flatMap((line) => {
        resource = /^ {6}[-!+] (\S.*)/.exec(line)?.[1] ?? resource;
        return /^ {6}[-+] {3}\S/.test(line) ? [`${resource} ${line}`] : [];
      });
      expect(fields).toEqual([...new Set(fields)]);
    });
  });

  it("which clusters a chart leaves, by their Kubernetes", async () => {
    const acme = { email: "platform@example.com" };
    const certManager = (version: string) => revision({ acme, charts: { certManager: { version } } });
    const [older, newer] = [await certManager("v1.20.0"), await certManager("v1.21.2")];
    expect(told(older, newer)).toContain(
      "  RISK Chart cert-manager goes from v1.20.0 to v1.21.2\n" +
        "       cert-manager v1.21.2 supports Kubernetes 1.33 to 1.36, no longer 1.32: upgrade an older cluster first.\n",
    );
    expect(told(newer, older)).toContain(
      "       An older version: what the newer one wrote may be unknown to it. " +
        "cert-manager v1.20.0 supports Kubernetes 1.32 to 1.35, no longer 1.36: a newer cluster must not have it.\n",
    );
  });

  it.each(["None", "SL-All"])("of the firewall where the rules are %s", async (rules) => {
    const cidrs = { allowedCidrs: ["198.51.100.0/24", "203.0.113.0/24"] };
    const before = rules === "None" ? shipped : await revision(await loadBalancer({ rules }));
    const after = await revision(await loadBalancer({ rules, ...cidrs }));
    expect(told(before, after)).toContain(
      "RISK 198.51.100.0/24 and 203.0.113.0/24 may connect to the load balancer from now on; 0.0.0.0/0 may no longer",
    );
    expect(told(before, after)).toContain("Clients there are cut off.");
    expect(told(after, before)).toContain("RISK 0.0.0.0/0 may connect to the load balancer from now on");
    const wider = await revision(await loadBalancer({ rules, allowedCidrs: ["0.0.0.0/0", "203.0.113.0/24"] }));
    expect(told(before, wider)).toContain(
      "RISK 203.0.113.0/24 may connect to the load balancer from now on\n       Every host is served through this one load balancer.\n",
    );
    expect(told(wider, before)).toContain(
      "RISK 203.0.113.0/24 may no longer connect to the load balancer\n       Every host is served through this one load balancer. Clients there are cut off.\n",
    );
  });

  it("of the load balancer's other settings, and of its address", async () => {
    const inside = told(shipped, await revision(await loadBalancer({ internal: true })));
    expect(inside).toMatch(/RISK The load balancer changes: .*load-balancer-internal"\] false → true/);
    expect(inside).toContain("RISK The reserved public IP leaves this stack; it stays at OCI");
    const moved = told(
      shipped,
      await revision(await loadBalancer({ compartmentId: "ocid1.compartment.oc1..aaaaother" })),
    );
    expect(moved).toContain("RISK The reserved public IP is replaced by another: compartmentId");
  });

  it("of the certificate's key, by what a Certificate has that does not say", async () => {
    const saying = async (key: string) => (await revision({ certificate: { key } })).registrations;
    const silent = {
      sealed: {},
      registrations: shipped.registrations.map((it) => {
        const { privateKey: _, ...spec } = (it.inputs.spec ?? {}) as Record<string, unknown>;
        return it.name === "certificate" ? { ...it, inputs: { ...it.inputs, spec } } : it;
      }),
    };
    expect(told(silent, { sealed: {}, registrations: await saying("ecdsa-p256") })).toContain(
      "RISK The certificate's key becomes ECDSA P-256 instead of RSA 2048\n       A new certificate is issued, which counts against Let's Encrypt's limits",
    );
    expect(told(silent, { sealed: {}, registrations: await saying("rsa-2048") })).toContain(
      "\n  The certificate's key stays RSA 2048, which is now said\n",
    );
  });

  it("risks first", async () => {
    const after = await revision({
      ...(await loadBalancer({ maxMbps: 2000 })),
      services: [
        { name: "vault", namespace: "vault", port: 8201 },
        { name: "argocd", namespace: "argocd", service: "argocd-server", port: 80 },
      ],
    });
    const text = told(shipped, after);
    const lines = text.split("\n").filter((line) => /^ {2}\S/.test(line));
    expect(lines).toEqual([
      "  RISK The load balancer's bandwidth changes from 100–1000 to 100–2000 Mbps",
      "  vault.cluster.example.com will be routed to vault:8201 in vault instead of vault:8200 in vault",
    ]);
  });

  it("of every resource of a new stack, and of every one of a removed one", async () => {
    const text = diffText("base", [diffOf({ stack: "prod", before: undefined, after: shipped })]);
    const own = shipped.registrations.filter((it) => it.custom && !it.type.startsWith("pulumi:"));
    expect(text).toContain(`prod: a new stack, ${own.length} new`);
    for (const { name } of own) expect(text).toContain(`+ ${name} (`);
    expect(text).not.toContain("will no longer");
    const gone = diffText("base", [diffOf({ stack: "prod", before: shipped, after: undefined })]);
    expect(gone).toContain(
      `prod: the stack's file is gone, but what it made stays until pulumi destroy, ${own.length} removed`,
    );
    for (const { name } of own) expect(gone).toContain(`- ${name} (`);
  });

  it("of no secret, on no side, and that one is encrypted anew", async () => {
    const supplied = (token: string) => revision({ cloudflare: { token: "supplied" } }, { cloudflareApiToken: token });
    const [before, after] = [await supplied("first-token"), await supplied("second-token")];
    const sealed = (digest: string) => ({ "oke-platform:cloudflareApiToken": digest });
    const text = diffText("base", [
      diffOf({ stack: "prod", before: { ...before, sealed: sealed("a") }, after: { ...after, sealed: sealed("b") } }),
    ]);
    expect(text).toBe(
      "compared with base\n\nprod: \n  The secret oke-platform:cloudflareApiToken is encrypted anew; its value may be another\n",
    );
    const fresh = diffText("base", [diffOf({ stack: "prod", before: undefined, after: { ...after, sealed: {} } })]);
    expect(fresh).toContain("+   dataJson: [secret]");
    expect(fresh).not.toContain("second-token");
  });

  it("of a login at the charts' source, and of no password and no login in a URL", async () => {
    const asked = (charts: object, password: string) => revision({ charts }, { chartsPassword: password });
    const mirror = "oci://registry.example.com/charts";
    const before = await asked({ mirror, username: "robot" }, "first-password");
    const after = await asked({ mirror, username: "other", vault: {} }, "second-password");
    const text = told(before, after);
    expect(text).toMatch(/Charts .* go to a login as other/);
    expect(text).not.toMatch(/first-password|second-password/);
    const url = (login: string) => ({
      registrations: withoutSecrets([
        registrationOf("release", "kubernetes:helm.sh/v3:Release", {
          chart: "base",
          version: "1.31.4",
          repositoryOpts: { repo: `https://${login}charts.example.com` },
        }),
      ]),
      sealed: {},
    });
    expect(told(url(""), url("robot:s3same@"))).toContain("to the source https://[credentials]@charts.example.com");
  });

  it("that a value changes which is the program's own, and why it is", async () => {
    const release = (enabled: boolean) => ({
      registrations: [
        registrationOf("cert-manager", "kubernetes:helm.sh/v3:Release", {
          chart: "cert-manager",
          values: { crds: { enabled } },
        }),
      ],
      sealed: {},
    });
    expect(told(release(true), release(false))).toContain(
      "RISK Values of the chart of cert-manager: values.crds.enabled true → false\n       crds.enabled is the program's own: the program's own objects are of these kinds",
    );
  });

  it("of the certificate that visitors see, and not of those of an installed Vault", async () => {
    const isVaults = ({ urn }: Registration) => urn.includes("VaultTls");
    const installed = { size: "production", vault: { install: true, address: "https://127.0.0.1:8200", ...kms } };
    const after = await revision(installed);
    expect(after.registrations.filter(isVaults).map(({ type }) => type.split(":").at(-1))).toContain("Certificate");
    const vaults = { ...after, registrations: after.registrations.filter(isVaults) };
    const text = told({ registrations: [], sealed: {} }, vaults);
    expect(text).toMatch(/^ {2}vault-tls\S* \(Certificate\) is made$/m);
    expect(text).not.toMatch(/certificate for|an issuer/);
  });
});
