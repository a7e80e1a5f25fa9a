import { type Item, Refusal, type Request, sha256 } from "./state.ts";
import type { Kind, System, World } from "./world.ts";

// OCI: the network around the cluster, and KMS. The load balancer is the cloud controller's, in load-balancer.ts.

export const NO_SUCH = "404-NotAuthorizedOrNotFound, Authorization failed or requested resource not found.";

/** Objects of OCI may share a name; their identifiers are OCIDs. */
const named = (type: string): Pick<Kind, "id" | "sharesName"> => ({
  sharesName: true,
  id: ({ kind, name }) => `ocid1.${type}.oc1.eu-frankfurt-1.aaaa${sha256(`${kind} /${name}`).slice(0, 32)}`,
});

/** The address that a reserved IP gets; it follows from the name, as identifiers do. */
export const addressOf = (name: string) => `203.0.113.${1 + (Number.parseInt(sha256(name).slice(0, 4), 16) % 250)}`;

/** Where a KMS vault's keys are managed; it follows from its identifier. */
export const managementEndpointOf = ({ id }: Item) =>
  `https://${id.slice(-8)}-management.kms.eu-frankfurt-1.oraclecloud.com`;

/** Refuses what names something that is not there. */
const needs =
  (isThere: (world: World, spec: Request["spec"]) => boolean): NonNullable<Kind["admit"]> =>
  (world, { spec }) => {
    if (!isThere(world, spec)) throw new Refusal(NO_SUCH);
  };

/** Why OCI does not take defined tags, by `<namespace>.<key>`: each must be defined; undefined when it does. */
export function tagRefusal(world: World, tags: Request["spec"] = {}): string | undefined {
  const unknown = Object.keys(tags).find((tag) => world.item(`Tag /${tag}`) === undefined);
  return (
    unknown &&
    `400-RelatedResourceNotAuthorizedOrNotFound, The following tag namespaces / keys are not authorized or not found: '${unknown}'`
  );
}

/** Of what can be tagged. */
const tagged =
  (admit?: Kind["admit"]): NonNullable<Kind["admit"]> =>
  (world, request) => {
    admit?.(world, request);
    const refusal = tagRefusal(world, request.spec.definedTags as Request["spec"] | undefined);
    if (refusal !== undefined) throw new Refusal(refusal);
  };

function refuseInUse(world: World, item: Item): void {
  const user = world
    .items("LoadBalancer")
    .find(
      (balancer) =>
        (balancer.spec.nsgs as string[]).includes(item.id) || balancer.status.address === item.status.ipAddress,
    );
  if (user) throw new Refusal(`409-IncorrectState, ${item.kind} ${item.id} is in use by load balancer ${user.name}`);
}

export const oci: System = {
  kinds: {
    Cluster: {},
    Vcn: {},
    Tag: {},
    PublicIp: {
      ...named("publicip"),
      seconds: 5,
      admit: tagged(),
      start(world, item) {
        item.status.ipAddress ??= addressOf(item.name);
        world.after(world.seconds("PublicIp"), "done", item);
      },
      admitRemoval: refuseInUse,
    },
    NetworkSecurityGroup: {
      ...named("networksecuritygroup"),
      seconds: 3,
      admit: tagged(needs((world, { vcnId }) => world.byId(vcnId)?.kind === "Vcn")),
      admitRemoval: refuseInUse,
    },
    NetworkSecurityGroupRule: {
      sharesName: true,
      seconds: 1,
      admit: needs((world, { nsg }) => world.byId(nsg)?.kind === "NetworkSecurityGroup"),
    },
    KmsVault: { ...named("vault"), seconds: 60, admit: tagged() },
    Key: {
      ...named("key"),
      seconds: 10,
      admit: tagged(
        needs((world, spec) =>
          world.items("KmsVault").some((vault) => managementEndpointOf(vault) === spec.managementEndpoint),
        ),
      ),
    },
  },
};
