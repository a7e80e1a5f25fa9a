import type { AskOci, Named, SecurityRule } from "../doctor/oci-cli.ts";
import { adopt, clear, type Finding, tell } from "./findings.ts";
import type { LostCreate, StateResource } from "./state.ts";

// What a create at OCI has left. Names are not unique there: only what was being made is looked for, by its name, in its
// compartment, and what the state has is left out.

interface Place {
  /** Asks for all that may be it. */
  readonly list: (oci: AskOci, inputs: Inputs) => Promise<readonly Left[]>;
  /** What an import takes. @default - the OCID */
  readonly importId?: (inputs: Inputs, id: string) => string;
}

type Left = Pick<Named, "id"> & Partial<Pick<Named, "time-created">>;
type Inputs = Readonly<Record<string, string>>;

/** States of what is gone, or as good as gone. */
const GONE = /DELET|TERMINAT/;

const called = (name: string | undefined, all: readonly Named[]) =>
  all.filter((it) => it["display-name"] === name && !GONE.test(it["lifecycle-state"]));

/** By type. The commands: https://docs.oracle.com/iaas/tools/oci-cli/latest/oci_cli_docs/ */
const places: Readonly<Record<string, Place>> = {
  "oci:Core/publicIp:PublicIp": {
    list: async (oci, { compartmentId = "", displayName }) => {
      const which = ["--scope", "REGION", "--lifetime", "RESERVED", "--compartment-id", compartmentId, "--all"];
      return called(displayName, await oci<"publicIps">("network", "public-ip", "list", ...which));
    },
  },
  "oci:Core/networkSecurityGroup:NetworkSecurityGroup": {
    list: async (oci, { compartmentId = "", vcnId = "", displayName }) => {
      const which = ["--compartment-id", compartmentId, "--vcn-id", vcnId, "--all"];
      return called(displayName, await oci<"nsgs">("network", "nsg", "list", ...which));
    },
  },
  "oci:Core/networkSecurityGroupSecurityRule:NetworkSecurityGroupSecurityRule": {
    list: async (oci, inputs) => {
      const { networkSecurityGroupId: nsg = "" } = inputs;
      const rules = await oci<"rules">("network", "nsg", "rules", "list", "--nsg-id", nsg, "--all");
      return rules.filter((rule) => isRule(rule, inputs));
    },
    importId: ({ networkSecurityGroupId }, id) => `networkSecurityGroups/${networkSecurityGroupId}/securityRules/${id}`,
  },
  "oci:Kms/vault:Vault": {
    list: async (oci, { compartmentId = "", displayName }) =>
      called(
        displayName,
        await oci<"kmsVaults">("kms", "management", "vault", "list", "--compartment-id", compartmentId, "--all"),
      ),
  },
  "oci:Kms/key:Key": {
    list: async (oci, { compartmentId = "", managementEndpoint = "", displayName }) => {
      const which = ["--compartment-id", compartmentId, "--endpoint", managementEndpoint, "--all"];
      return called(displayName, await oci<"keys">("kms", "management", "key", "list", ...which));
    },
    importId: ({ managementEndpoint }, id) => `managementEndpoint/${managementEndpoint}/keys/${id}`,
  },
};

/** Whether a rule is the one that was asked for; the description says which, and the rest that nobody has changed it. */
function isRule(rule: SecurityRule, inputs: Readonly<Record<string, unknown>>): boolean {
  const { min, max } = rule["tcp-options"]?.["destination-port-range"] ?? {};
  const { tcpOptions } = inputs as { tcpOptions?: { destinationPortRange?: { min: number; max: number } } };
  const fields = ["description", "direction", "protocol", "source", "destination"] as const;
  return (
    fields.every((field) => (rule[field] ?? undefined) === (inputs[field] ?? undefined)) &&
    min === tcpOptions?.destinationPortRange?.min &&
    max === tcpOptions?.destinationPortRange?.max
  );
}

/**
 * Looks for what a create has left.
 *
 * @param all of the state, whose objects are not what is looked for
 */
export async function findAtOci(
  { resource, known }: LostCreate,
  all: readonly StateResource[],
  oci: AskOci,
): Promise<Finding> {
  const place = places[resource.type];
  if (place === undefined) throw new Error(`this does not know how to look for ${resource.type}`);
  const inputs = (resource.inputs ?? {}) as Inputs;
  const subject = `${resource.type.split(":").at(-1)} ${inputs.displayName ?? inputs.description}`;
  const states = new Set(all.map(({ id }) => id?.split("/").at(-1)));
  const left = (await place.list(oci, inputs))
    .filter(({ id }) => !states.has(id))
    .sort((a, b) => (b["time-created"] ?? "").localeCompare(a["time-created"] ?? ""));
  // One that a destroy has kept may have the same name; the newest is the one that was being made.
  const [newest, ...others] = left;
  if (newest === undefined) return clear(subject, "is not there");
  if (known !== undefined && !isReplacement(resource, known))
    return tell(subject, `${left.map(({ id }) => id).join(", ")} beside the state's own`, "nothing uses it; delete it");
  const found = adopt(subject, { resource, id: place.importId?.(inputs, newest.id) ?? newest.id, outputs: {} });
  if (others.length === 0) return found;
  return {
    ...found,
    found: `${found.found}; ${others.map(({ id }) => id).join(", ")} of the same name stay as they are`,
  };
}

/** Whether what was being made is another than what the state has, and not a second one after a later run. */
const isReplacement = ({ inputs: wanted }: StateResource, { inputs: has }: StateResource): boolean =>
  JSON.stringify(wanted) !== JSON.stringify(has);
