import { Refusal, type Request } from "./state.ts";

// What a policy of Vault lets be written: https://developer.hashicorp.com/vault/docs/concepts/policies#parameter-constraints

/** The parameters that may be written to a path, each with the values that it may have, none for any. */
type Constraints = Readonly<Record<string, readonly unknown[]>>;

/** @returns undefined where nothing may be written */
function constraintsAt(policy: string, path: string): Constraints | undefined {
  const block = [...policy.matchAll(/^path "([^"]+)" \{\n(.*?)\n\}$/gms)].find(([, at]) => at === path)?.[2] ?? "";
  if (!/capabilities = \[[^\]]*"(create|update)"/.test(block)) return undefined;
  const lines = block.matchAll(/^ +"([^"]+)" = (\[.*\])$/gm);
  return Object.fromEntries([...lines].map(([, name = "", list = ""]) => [name, JSON.parse(jsonOf(list))]));
}

/** HCL's maps have `=` where JSON has a colon; texts are taken whole, so that theirs stay. */
const jsonOf = (hcl: string) =>
  hcl.replaceAll(/("(?:[^"\\]|\\.)*")( = )?/g, (_whole, text: string, equals?: string) => (equals ? `${text}:` : text));

/** Where a request goes in Vault's API, and what it sends; not the numbers, which no policy compares. */
const sent: Record<string, (request: Request) => [path: string, parameters: Record<string, unknown>]> = {
  Mount: ({ name, spec: { type, version } }) => [`sys/mounts/${name}`, { type, options: version && { version } }],
  AuthBackend: ({ name, spec: { type } }) => [`sys/auth/${name}`, { type }],
  AuthBackendConfig: ({ name, spec: { host } }) => [`auth/${name}/config`, { kubernetes_host: host }],
  AuthBackendRole: ({ name, spec: { accounts, namespaces, policies, audience } }) => [
    `auth/${name.replace(/\/(?=[^/]*$)/, "/role/")}`,
    {
      bound_service_account_names: accounts,
      bound_service_account_namespaces: namespaces,
      token_policies: policies,
      audience,
    },
  ],
  Policy: ({ name, spec: { policy } }) => [`sys/policies/acl/${name}`, { policy }],
  Audit: ({ name, spec: { type, options } }) => [`sys/audit/${name}`, { type, options }],
  KvSecret: ({ name, spec: { mount, data } }) => [`${mount}/data/${name.slice(`${mount}/`.length)}`, { data }],
};

/** @throws {Refusal} as the provider words it, when the policy does not let a request be written */
export function admitByPolicy(policy: string, request: Request): void {
  const [path, parameters] = sent[request.kind]?.(request) ?? [];
  if (path === undefined || parameters === undefined) return;
  const constraints = constraintsAt(policy, path);
  const isAllowed = ([name, value]: [string, unknown]) => {
    const values = constraints?.[name];
    return values?.length === 0 || values?.some((it) => JSON.stringify(it) === JSON.stringify(value)) === true;
  };
  if (
    Object.entries(parameters)
      .filter(([, value]) => value !== undefined)
      .every(isAllowed)
  )
    return;
  throw new Refusal(
    `error writing to Vault: Error making API request.\n\nURL: PUT http://127.0.0.1:8200/v1/${path}\nCode: 403. Errors:\n\n* 1 error occurred:\n\t* permission denied\n\n`,
  );
}
