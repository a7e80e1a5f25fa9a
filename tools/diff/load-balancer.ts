import {
  allowedBy,
  bandwidthOf,
  isBandwidth,
  SERVICE_INPUTS,
  SOURCE_INPUTS,
} from "../../components/balanced-service.ts";
import { GATEWAY_CHART } from "../../components/ingress-gateway.ts";
import { chartOf } from "../../components/release.ts";
import type { Registration } from "../../project/record.ts";
import { type Properties, same } from "../../project/registration.ts";
import { type Change, isUnder } from "./compare.ts";
import { briefly, code, codes, has, isKind, kindOf, type Statement, type Story } from "./statement.ts";

/** Every sentence about the load balancer has this reason. */
export const ONE_DOOR = "Every host is served through this one load balancer.";

const isRule = isKind("NetworkSecurityGroupSecurityRule");
const isGateway = (it: Registration) => isKind("Release")(it) && chartOf(it.inputs).chart === GATEWAY_CHART;
const staysGateway = (it: Registration, change: Change) => isGateway(it) && has(change, "changed");

/** Bandwidth, firewall and address of the load balancer. */
export function loadBalancer(story: Story): Statement[] {
  const [was, is] = [story.before, story.after].map((list) => list.find(isGateway)?.inputs);
  return [
    ...bandwidth(story, was, is),
    ...openness(story, was, is),
    ...service(story),
    ...address(story),
    ...firewall(story, was !== undefined),
  ];
}

function bandwidth({ untold }: Story, was: Properties | undefined, is: Properties | undefined): Statement[] {
  const changes = untold.take(staysGateway, isBandwidth);
  if (changes.length === 0 || !was || !is) return [];
  const [from, to] = [was, is].map((inputs) => code(bandwidthOf(inputs).join("–")));
  return [
    {
      text: `The load balancer's bandwidth changes from ${from} to ${to} Mbps`,
      risk: `${ONE_DOOR} OCI changes its shape while it is in use.`,
      changes,
    },
  ];
}

function openness(story: Story, was: Properties | undefined, is: Properties | undefined): Statement[] {
  if (!was || !is) return [];
  const rulesOf = (list: readonly Registration[]) => list.filter(isRule).map(({ inputs }) => inputs);
  const [open, opens] = [allowedBy(was, rulesOf(story.before)), allowedBy(is, rulesOf(story.after))];
  if (same(open, opens)) return [];
  const [more, fewer] = [opens.filter((cidr) => !open.includes(cidr)), open.filter((cidr) => !opens.includes(cidr))];
  const isConcerned = (it: Registration) => isRule(it) && [...more, ...fewer].includes(String(it.inputs.source));
  const texts = [
    ...(more.length > 0 ? [`${codes(more)} may connect to the load balancer from now on`] : []),
    ...(fewer.length > 0 ? [`${codes(fewer)} may no longer connect to the load balancer`] : []),
  ];
  const risk =
    fewer.length > 0
      ? `${ONE_DOOR} Clients there are cut off.`
      : more.includes("0.0.0.0/0")
        ? "That is everybody."
        : ONE_DOOR;
  const changes = [
    ...story.untold.take(staysGateway, (path) => isUnder(path, SOURCE_INPUTS)),
    ...story.untold.take(isConcerned),
  ];
  return [{ text: texts.join("; "), risk, changes }];
}

const service = ({ untold }: Story): Statement[] =>
  untold
    .take(staysGateway, (path) => isUnder(path, SERVICE_INPUTS))
    .map((change) => ({
      text: `The load balancer changes: ${briefly(change.fields)}`,
      risk: ONE_DOOR,
      changes: [change],
    }));

const address = ({ untold }: Story): Statement[] =>
  untold.take(isKind("PublicIp")).map((change) => {
    const isKept = change.resource.options.retainOnDelete;
    const texts = {
      added: "A reserved public IP is made",
      removed: `The reserved public IP leaves this stack${isKept ? "; it stays at OCI" : ", and is deleted"}`,
      changed: `The reserved public IP changes: ${briefly(change.fields)}`,
      replaced: `The reserved public IP is replaced by another: ${briefly(change.fields)}`,
    };
    const risk = "DNS and the firewalls of others know this address.";
    return { text: texts[change.what], ...(!has(change, "added") && { risk }), changes: [change] };
  });

/** @param isThere whether there was a gateway before */
function firewall({ untold }: Story, isThere: boolean): Statement[] {
  const changes = untold.take((it) => kindOf(it).startsWith("NetworkSecurityGroup"));
  if (changes.length === 0) return [];
  const isNew = changes.every((change) => has(change, "added"));
  const names = codes(changes.map(({ resource }) => resource.name));
  const parts = `${changes.length} part${changes.length > 1 ? "s" : ""}`;
  return [
    {
      text: `${parts} of the load balancer's firewall ${isNew ? "are made" : "change"}: ${names}`,
      ...((isThere || !isNew) && { risk: ONE_DOOR }),
      changes,
    },
  ];
}
