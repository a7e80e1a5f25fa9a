/** What stands in the place of the placeholders of the shipped stacks, wherever those are run as they are. */
export const examples: Record<string, string> = {
  "<zone>": "example.com",
  "<e-mail>": "platform@example.com",
  "<OKE cluster OCID>": "ocid1.cluster.oc1.eu-frankfurt-1.aaaasandboxcluster",
  "<compartment OCID>": "ocid1.compartment.oc1..aaaasandboxcompartment",
  "<VCN OCID>": "ocid1.vcn.oc1.eu-frankfurt-1.aaaasandboxvcn",
  "<load balancer subnet OCID>": "ocid1.subnet.oc1.eu-frankfurt-1.aaaasandboxlbsubnet",
  "<node NSG OCID>": "ocid1.networksecuritygroup.oc1.eu-frankfurt-1.aaaasandboxnodes",
  "<Vault address>": "http://127.0.0.1:8200",
};

/** The stacks that are shipped as examples; one that is copied from them is its owner's to fill in. */
const SHIPPED = ["prod", "fresh", "lab", "e2e"];

/** What stands for the placeholders of a stack: nothing in one that is no example. */
export const placeholdersOf = (stack: string): Readonly<Record<string, string>> =>
  SHIPPED.includes(stack) ? examples : {};
