import { CERTIFICATE_INPUTS, copiesOf, keyOf, TLS_SECRET } from "../../components/certificate.ts";
import { directoryIn } from "../../components/issuer.ts";
import { isGatewayHosts, isMinTls } from "../../components/tls-gateway.ts";
import type { Registration } from "../../project/record.ts";
import { type Properties, valueAt } from "../../project/registration.ts";
import { letsEncrypt } from "../../settings/acme.ts";
import { isUnder } from "./compare.ts";
import { plainly } from "./rest.ts";
import { briefly, code, codes, has, isKind, type Statement, type Story } from "./statement.ts";

/** Another CA of the stack, such as that of an installed Vault, signs nothing that a visitor sees. */
const isIssuers = ({ parent = "" }: Registration) => /:Issuer::[^:]*$/.test(parent);
const isIssuer = (it: Registration) => isKind("ClusterIssuer")(it) && isIssuers(it);
const isGateway = isKind("Gateway");
const isWildcard = (it: Registration) =>
  isKind("Certificate")(it) && valueAt(it.inputs, CERTIFICATE_INPUTS.secret) === TLS_SECRET;

/** A certificate in one revision. */
interface Side {
  readonly inputs: Properties;
  /** Who signs it, in words. */
  readonly signer: string;
}

/** The certificate, who signs it, who gets its key, and what the gateway makes of it. */
export function certificates(story: Story): Statement[] {
  const [was, is] = [sideOf(story.before), sideOf(story.after)];
  return [
    ...names(story, was, is),
    ...signers(story, was, is),
    ...issuers(story),
    ...keys(story, was, is),
    ...copies(story, was, is),
    ...minTls(story),
  ];
}

function sideOf(registrations: readonly Registration[]): Side | undefined {
  const inputs = registrations.find(isWildcard)?.inputs;
  if (inputs === undefined) return undefined;
  const name = valueAt(inputs, `${CERTIFICATE_INPUTS.issuer}.name`);
  const issuer = registrations.find((it) => isIssuer(it) && valueAt(it.inputs, "metadata.name") === name);
  return { inputs, signer: signerOf(issuer && directoryIn(issuer.inputs)) };
}

function signerOf(directory: string | undefined): string {
  switch (directory) {
    case undefined:
      return "a CA of the cluster's own";
    case letsEncrypt.production:
      return "Let's Encrypt";
    case letsEncrypt.staging:
      return "Let's Encrypt's staging server";
    default:
      return code(directory);
  }
}

/** What another certificate means: https://letsencrypt.org/docs/rate-limits/ */
const newCertificate = (signer: string) =>
  signer === "Let's Encrypt"
    ? "A new certificate is issued, which counts against Let's Encrypt's limits: five a week for the same names, and five failed validations an hour."
    : `A new certificate is issued${signer.startsWith("Let's") ? ", which no browser trusts" : ", which only those trust who know this server's CA"}.`;

function names({ untold }: Story, was: Side | undefined, is: Side | undefined): Statement[] {
  const changes = untold.take(isWildcard, (path) => isUnder(path, CERTIFICATE_INPUTS.names));
  if (changes.length === 0) return [];
  const [old = [], now = []] = [was, is].map(
    (side) => side && (valueAt(side.inputs, CERTIFICATE_INPUTS.names) as string[]),
  );
  const hosts = untold.take(isGateway, isGatewayHosts);
  const others = hosts.filter((it) => !has(it, "changed")).map(plainly);
  if (is === undefined)
    return [
      { text: `The certificate for ${codes(old)} is removed`, risk: "No host can be served over HTTPS.", changes },
      ...others,
    ];
  if (was === undefined)
    return [{ text: `A certificate for ${codes(now)} is issued by ${is.signer}`, changes }, ...others];
  const gone = old.filter((name) => !now.includes(name));
  const lost = gone.length > 0 ? `, and ${codes(gone)} no longer` : "";
  return [
    {
      text: `The certificate's names change from ${codes(old)} to ${codes(now)}`,
      risk: `${newCertificate(is.signer)} New names are served only when it is there${lost}.`,
      changes: [...changes, ...hosts.filter((it) => has(it, "changed"))],
    },
    ...others,
  ];
}

function signers({ untold }: Story, was: Side | undefined, is: Side | undefined): Statement[] {
  if (!was || !is || was.signer === is.signer) return [];
  return [
    {
      text: `Certificates will come from ${is.signer} instead of ${was.signer}`,
      risk: newCertificate(is.signer),
      changes: [
        ...untold.take(isWildcard, (path) => isUnder(path, CERTIFICATE_INPUTS.issuer)),
        ...untold.take((it) => isIssuers(it) || isKind("Issuer")(it)),
      ],
    },
  ];
}

function issuers({ untold }: Story): Statement[] {
  const changes = untold.take(isIssuer, (path) => path !== "" && isUnder(path, "spec"));
  return changes.map((change) => ({
    text: has(change, "added", "removed")
      ? `${code(valueAt(change.resource.inputs, "metadata.name"))}, an issuer, is ${has(change, "added") ? "made" : "removed"}`
      : `The issuer changes: ${briefly(change.fields)}`,
    ...(!has(change, "added") && { risk: "Every certificate is issued and renewed through it." }),
    changes: [change],
  }));
}

function keys({ untold }: Story, was: Side | undefined, is: Side | undefined): Statement[] {
  const changes = untold.take(isWildcard, (path) => isUnder(path, CERTIFICATE_INPUTS.key));
  if (changes.length === 0 || !was || !is) return [];
  const [old, now] = [keyOf(was.inputs), keyOf(is.inputs)];
  if (old === now) return [{ text: `The certificate's key stays ${now}, which is now said`, changes }];
  return [
    {
      text: `The certificate's key becomes ${now} instead of ${old}`,
      risk: `${newCertificate(is.signer)} The one of before is served until then.`,
      changes,
    },
  ];
}

function copies({ untold }: Story, was: Side | undefined, is: Side | undefined): Statement[] {
  const changes = untold.take(isWildcard, (path) => isUnder(path, CERTIFICATE_INPUTS.copies));
  if (changes.length === 0 || !was || !is) return [];
  const [from, to] = [was, is]
    .map(({ inputs }) => copiesOf(inputs))
    .map((it) => (it === "all" ? "every namespace" : codes(it)));
  return [
    {
      text: `The certificate's private key will be copied to ${to} instead of ${from}`,
      risk: "Who may read Secrets there may read the key.",
      changes,
    },
  ];
}

function minTls({ untold }: Story): Statement[] {
  return untold.take(isGateway, isMinTls).map((change): Statement => {
    if (!change.before || !change.after) return plainly(change);
    const [field] = change.fields;
    return {
      text: `The lowest TLS version becomes ${code(field?.after)} instead of ${code(field?.before)}`,
      risk: "Clients that cannot do it are refused, on every host.",
      changes: [change],
    };
  });
}
