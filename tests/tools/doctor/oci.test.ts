import { describe, expect, it } from "vitest";
import type { Installed } from "../../../tools/doctor/cluster.ts";
import type { Env } from "../../../tools/doctor/examination.ts";
import { examineOci } from "../../../tools/doctor/oci.ts";
import { OciError } from "../../../tools/doctor/oci-cli.ts";
import { each, examination, nothing, type Raw, running, told, wholeStack } from "./examination.ts";
import {
  ADDRESS,
  addOn,
  asked,
  available,
  freshOci,
  ids,
  notFound,
  type OciAnswers,
  recorded,
  runningOci,
} from "./oci-stand-in.ts";

const env = { OCI_CLI_TENANCY: ids.tenancy };

const examine = async (answers: OciAnswers, raw: Raw, installed?: Installed, as: Env = env) =>
  told(await examineOci(examination(raw, as), recorded(answers), Promise.resolve(installed)));

const healthy = {
  "oci: cluster": "ok: the cluster is ACTIVE, v1.34.1",
  "oci: OKE add-ons": "ok: neither CertManager nor Istio among them",
  "oci: subnet": "ok: there, regional, in the VCN",
  "oci: network security groups": "ok: 2 there, in the VCN",
  "oci: reserved IP": `ok: ${ADDRESS} is AVAILABLE`,
  "oci: load balancer quota": "ok: 12 load balancer(s) and 5000 Mbps are left",
};
const { "oci: cluster": _, ...afterCluster } = healthy;

describe("OCI without a problem", () => {
  it("has all that the settings name, and room for a load balancer", async () => {
    expect(await examine(freshOci(), wholeStack(), nothing)).toEqual(healthy);
  });

  it("has the gateway's load balancer once the platform runs", async () => {
    expect(await examine(runningOci(), wholeStack(), running)).toEqual({
      ...healthy,
      "oci: reserved IP": `ok: ${ADDRESS} is the gateway's`,
      "oci: load balancer quota": "ok: the load balancer is there already",
    });
  });

  it("has a reserved IP of something else beside a gateway at another address", async () => {
    const elsewhere = { ...running, gateway: { address: "203.0.113.99" } };
    expect((await examine(runningOci(), wholeStack(), elsewhere))["oci: reserved IP"]).toBe(
      `problem: loadBalancer.reservedIp ${ADDRESS} is ASSIGNED, in use by ocid1.privateip.oc1.eu-frankfurt-1.aaaabalancer → set it to the IP of the gateway, which is at 203.0.113.99 and cannot change`,
    );
  });

  it("is not asked where the cluster is none of OKE", async () => {
    const elsewhere = { ...wholeStack(), cluster: { context: "kind" } };
    expect(await examine({}, elsewhere)).toEqual(
      each(Object.keys(healthy), "skipped: cluster.context is no cluster of OKE"),
    );
  });

  it("is asked nothing that the settings leave open", async () => {
    const raw = { ...wholeStack(), loadBalancer: { compartmentId: ids.compartment, rules: "SL-All", maxMbps: 5000 } };
    expect(await examine(freshOci(), raw, nothing)).toEqual({
      ...healthy,
      "oci: subnet": "skipped: loadBalancer.subnetId is not set: the cluster chooses",
      "oci: network security groups": "skipped: loadBalancer names none",
      "oci: reserved IP": "skipped: loadBalancer.reservedIp is not set: the program makes or has its own",
    });
  });

  it("has a private subnet for an internal load balancer", async () => {
    const answers = freshOci();
    Object.assign(answers[asked.subnet] ?? {}, { "prohibit-public-ip-on-vnic": true });
    const raw = wholeStack();
    Object.assign(raw.loadBalancer, { internal: true, reservedIp: undefined });
    expect(await examine(answers, raw, nothing)).toEqual({
      ...healthy,
      "oci: reserved IP": "skipped: loadBalancer.reservedIp is not set: the program makes or has its own",
    });
  });

  it("is not asked for a limit without a tenancy", async () => {
    expect(await examine(freshOci(), wholeStack(), nothing, { HOME: "/nowhere" })).toEqual({
      ...healthy,
      "oci: load balancer quota":
        "skipped: the tenancy's OCID is in neither OCI_CLI_TENANCY nor the configuration of the oci CLI → set OCI_CLI_TENANCY",
    });
  });
});

interface Fault {
  readonly what: string;
  readonly plant: (answers: OciAnswers, raw: ReturnType<typeof wholeStack>) => void;
  /** What is then told otherwise. */
  readonly found: Record<string, string>;
}

/** Changes what is recorded for a question. */
const change = (question: string, to: object) => (answers: OciAnswers) => {
  answers[question] = { ...answers[question], ...to };
};

const lower =
  "lower loadBalancer.maxMbps (1000), or ask OCI for a higher limit, or remove a load balancer that is not needed";
const noSuch = (key: string, id: string) =>
  `problem: loadBalancer.${key} ${id} does not exist, or this identity may not see it → correct the OCID, or let the identity of ~/.oci/config read it`;

const faults: Fault[] = [
  {
    what: "no answer about the cluster",
    plant: (answers) => {
      answers[asked.cluster] = new OciError("the oci CLI is not on PATH");
    },
    found: {
      "oci: cluster": `problem: the oci CLI is not on PATH → install the CLI and run oci setup config; then try oci ce cluster get --cluster-id ${ids.cluster}`,
      ...each(Object.keys(afterCluster), "skipped: OCI cannot be asked"),
    },
  },
  {
    what: "a cluster that is being deleted",
    plant: change(asked.cluster, { "lifecycle-state": "DELETING" }),
    found: { "oci: cluster": "problem: the cluster is DELETING → wait until it is ACTIVE, or correct cluster.id" },
  },
  {
    what: "a VCN of the settings that is not the cluster's, and has the rest",
    plant: change(asked.cluster, { "vcn-id": ids.otherVcn }),
    found: {
      "oci: cluster": `problem: the cluster is in ${ids.otherVcn}, and loadBalancer.vcnId is ${ids.vcn} → correct loadBalancer.vcnId`,
    },
  },
  {
    what: "OKE's own add-on, beside one that is deleted",
    plant: (answers) => {
      answers[asked.addOns] = [addOn("CoreDNS"), addOn("CertManager"), addOn("Istio", "DELETED")];
    },
    found: {
      "oci: OKE add-ons":
        "problem: OKE's own add-on CertManager is ACTIVE: it installs what this program does, and puts its own version back → " +
        `oci ce cluster disable-addon --cluster-id ${ids.cluster} --addon-name CertManager --is-remove-existing-add-on true`,
    },
  },
  {
    what: "a subnet that is not there",
    plant: (answers) => {
      answers[asked.subnet] = notFound;
    },
    found: { "oci: subnet": noSuch("subnetId", ids.subnet) },
  },
  {
    what: "a subnet of another VCN",
    plant: change(asked.subnet, { "vcn-id": ids.otherVcn }),
    found: {
      "oci: subnet": `problem: loadBalancer.subnetId is in ${ids.otherVcn}, and loadBalancer.vcnId in ${ids.vcn} → name one of that VCN`,
    },
  },
  {
    what: "a subnet of another VCN than the cluster's, where the settings name none",
    plant: (answers, raw) => {
      change(asked.cluster, { "vcn-id": ids.otherVcn })(answers);
      Object.assign(raw.loadBalancer, { rules: "NSG", vcnId: undefined });
      for (const nsg of [asked.nsg, asked.extraNsg]) change(nsg, { "vcn-id": ids.otherVcn })(answers);
    },
    found: {
      "oci: subnet": `problem: loadBalancer.subnetId is in ${ids.vcn}, and the cluster in ${ids.otherVcn} → name one of that VCN`,
    },
  },
  {
    what: "a private subnet for a public load balancer",
    plant: change(asked.subnet, { "prohibit-public-ip-on-vnic": true }),
    found: {
      "oci: subnet":
        "problem: loadBalancer.subnetId is private, and the load balancer public → name a public subnet, or set loadBalancer.internal",
    },
  },
  {
    what: "a subnet of one availability domain",
    plant: change(asked.subnet, { "availability-domain": "Uocm:EU-FRANKFURT-1-AD-1" }),
    found: {
      "oci: subnet":
        "problem: loadBalancer.subnetId is in one availability domain → use a regional subnet for the load balancer",
    },
  },
  {
    what: "a node NSG that is not there",
    plant: (answers) => {
      answers[asked.nsg] = notFound;
    },
    found: { "oci: network security groups": noSuch("nodeNsgIds[0]", ids.nsg) },
  },
  {
    what: "an additional NSG of another VCN",
    plant: change(asked.extraNsg, { "vcn-id": ids.otherVcn }),
    found: {
      "oci: network security groups": `problem: loadBalancer.additionalNsgIds[0] is in ${ids.otherVcn}, and loadBalancer.vcnId in ${ids.vcn} → name one of that VCN`,
    },
  },
  {
    what: "a failure that is no 404",
    plant: (answers) => {
      answers[asked.nsg] = new OciError("OCI answers 429 TooManyRequests: Slow down.", 429);
    },
    found: {
      "oci: network security groups": "skipped: could not be asked: OCI answers 429 TooManyRequests: Slow down.",
    },
  },
  {
    what: "a reserved IP that is not there",
    plant: (answers) => {
      answers[asked.ip] = notFound;
    },
    found: { "oci: reserved IP": noSuch("reservedIp", ids.ip) },
  },
  {
    what: "a reserved IP that something else has",
    plant: change(asked.ip, { "lifecycle-state": "ASSIGNED", "assigned-entity-id": "ocid1.natgateway.oc1..aaaanat" }),
    found: {
      "oci: reserved IP": `problem: loadBalancer.reservedIp ${ADDRESS} is ASSIGNED, in use by ocid1.natgateway.oc1..aaaanat → name an IP that is AVAILABLE, free this one, or remove the setting to have one made`,
    },
  },
  {
    what: "an IP that is not reserved",
    plant: change(asked.ip, { lifetime: "EPHEMERAL" }),
    found: {
      "oci: reserved IP": `problem: loadBalancer.reservedIp ${ADDRESS} is EPHEMERAL → name one whose lifetime is RESERVED, or remove the setting to have one made`,
    },
  },
  {
    what: "no load balancer left",
    plant: (answers) => {
      answers[asked.count] = available(0);
    },
    found: {
      "oci: load balancer quota":
        "problem: no flexible load balancer is left in the tenancy's limit → ask OCI for a higher limit, or remove a load balancer that is not needed",
    },
  },
  ...[
    { mbps: 99, level: "problem", what: "less bandwidth left than is always there" },
    { mbps: 100, level: "warning", what: "just the bandwidth left that is always there" },
    { mbps: 999, level: "warning", what: "less bandwidth left than it may grow to" },
  ].map(
    ({ mbps, level, what }): Fault => ({
      what,
      plant: (answers) => {
        answers[asked.mbps] = available(mbps);
      },
      found: {
        "oci: load balancer quota": `${level}: ${mbps} Mbps of flexible load balancers are left in the tenancy's limit → ${lower}`,
      },
    }),
  ),
  {
    what: "a limit that OCI does not tell",
    plant: (answers) => {
      answers[asked.count] = available(null);
    },
    found: { "oci: load balancer quota": "ok: unknown load balancer(s) and 5000 Mbps are left" },
  },
];

describe("a planted fault", () => {
  it.each(faults)("$what is found, and nothing else changes", async ({ plant, found }) => {
    const [answers, raw] = [freshOci() as OciAnswers, wholeStack()];
    plant(answers, raw);
    expect(await examine(answers, raw, nothing)).toEqual({ ...healthy, ...found });
  });
});

describe("a cluster that could not be asked", () => {
  it("leaves open whose the reserved IP is, and whether its load balancer is there", async () => {
    const answers = { ...runningOci(), [asked.mbps]: available(1000) };
    expect(await examine(answers, wholeStack(), undefined)).toEqual({
      ...healthy,
      "oci: reserved IP": `warning: loadBalancer.reservedIp ${ADDRESS} is ASSIGNED, in use by ocid1.privateip.oc1.eu-frankfurt-1.aaaabalancer; whether that is the gateway's load balancer is not known → kubectl -n istio-system describe service istio-ingressgateway; its UID is the load balancer's name`,
      "oci: load balancer quota":
        "problem: no flexible load balancer is left in the tenancy's limit → ask OCI for a higher limit, or remove a load balancer that is not needed",
    });
  });
});
