import type { AskOci } from "../../../tools/doctor/oci-cli.ts";
import { OciError } from "../../../tools/doctor/oci-cli.ts";

// OCI as its CLI tells of it: what was recorded for each question, and nothing else.

export const ids = {
  cluster: "ocid1.cluster.oc1.eu-frankfurt-1.aaaacluster",
  compartment: "ocid1.compartment.oc1..aaaacompartment",
  tenancy: "ocid1.tenancy.oc1..aaaatenancy",
  vcn: "ocid1.vcn.oc1.eu-frankfurt-1.aaaavcn",
  otherVcn: "ocid1.vcn.oc1.eu-frankfurt-1.aaaaother",
  subnet: "ocid1.subnet.oc1.eu-frankfurt-1.aaaasubnet",
  nsg: "ocid1.networksecuritygroup.oc1.eu-frankfurt-1.aaaanodes",
  extraNsg: "ocid1.networksecuritygroup.oc1.eu-frankfurt-1.aaaaextra",
  ip: "ocid1.publicip.oc1.eu-frankfurt-1.aaaaip",
};

/** The reserved address, which is the gateway's once there is one. */
export const ADDRESS = "203.0.113.10";

const limit = (name: string) =>
  `limits resource-availability get --service-name load-balancer --limit-name ${name} --compartment-id ${ids.tenancy}`;

/** The arguments of each question. */
export const asked = {
  cluster: `ce cluster get --cluster-id ${ids.cluster}`,
  addOns: `ce cluster list-addons --cluster-id ${ids.cluster} --all`,
  subnet: `network subnet get --subnet-id ${ids.subnet}`,
  nsg: `network nsg get --nsg-id ${ids.nsg}`,
  extraNsg: `network nsg get --nsg-id ${ids.extraNsg}`,
  ip: `network public-ip get --public-ip-id ${ids.ip}`,
  count: limit("lb-flexible-count"),
  mbps: limit("lb-flexible-bandwidth-sum"),
};

/** What is recorded, by the arguments of the question: an answer, or how it fails. */
export type OciAnswers = Record<string, object | OciError>;

export const available = (available: number | null) => ({
  available,
  "effective-quota-value": null,
  "fractional-availability": available,
  "fractional-usage": 0.0,
  used: 0,
});

export const addOn = (name: string, state = "ACTIVE") => ({
  "addon-error": null,
  "current-installed-version": "v1.0.0",
  "lifecycle-state": state,
  name,
  "time-created": "2026-05-04T09:12:11+00:00",
  version: null,
});

/** What OCI says of what is not there. */
export const notFound = new OciError(
  "OCI answers 404 NotAuthorizedOrNotFound: Authorization failed or requested resource not found.",
  404,
);

/** Before the first `up`, all well. */
export const freshOci = () => ({
  [asked.cluster]: {
    id: ids.cluster,
    "kubernetes-version": "v1.34.1",
    "lifecycle-state": "ACTIVE",
    name: "platform",
    options: { "service-lb-subnet-ids": [ids.subnet] },
    type: "ENHANCED_CLUSTER",
    "vcn-id": ids.vcn,
  },
  [asked.addOns]: [addOn("CoreDNS"), addOn("KubeProxy"), addOn("NativeIngressController")],
  [asked.subnet]: {
    "availability-domain": null,
    id: ids.subnet,
    "lifecycle-state": "AVAILABLE",
    "prohibit-internet-ingress": false,
    "prohibit-public-ip-on-vnic": false,
    "vcn-id": ids.vcn,
  },
  [asked.nsg]: { "display-name": "nodes", "lifecycle-state": "AVAILABLE", "vcn-id": ids.vcn },
  [asked.extraNsg]: { "display-name": "extra", "lifecycle-state": "AVAILABLE", "vcn-id": ids.vcn },
  [asked.ip]: reservedIp("AVAILABLE", null),
  [asked.count]: available(12),
  [asked.mbps]: available(5000),
});

/** After an `up`, all well: what is there uses up the last of the limit. */
export const runningOci = (): OciAnswers => ({
  ...freshOci(),
  [asked.ip]: reservedIp("ASSIGNED", "ocid1.privateip.oc1.eu-frankfurt-1.aaaabalancer"),
  [asked.count]: available(0),
  [asked.mbps]: available(0),
});

const reservedIp = (state: string, user: string | null) => ({
  "assigned-entity-id": user,
  "assigned-entity-type": user === null ? null : "PRIVATE_IP",
  id: ids.ip,
  "ip-address": ADDRESS,
  "lifecycle-state": state,
  lifetime: "RESERVED",
  scope: "REGION",
});

/** Answers as recorded. */
export const recorded = (answers: OciAnswers): AskOci =>
  (async (...args: string[]) => {
    const answer = answers[args.join(" ")] ?? new OciError(`nothing is recorded for ${args.join(" ")}`);
    if (answer instanceof OciError) throw answer;
    return answer;
  }) as AskOci;
