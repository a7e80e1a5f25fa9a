import {
  AUDIT_DEVICE,
  auditLog,
  BACKEND,
  BACKEND_CONFIG,
  ENGINE,
  readerPolicy,
  readerRole,
} from "../../components/vault/access.ts";
import { AUDIT_DIRECTORY } from "../../components/vault/server.ts";
import { DEPLOY_POLICY, type VaultSettings } from "../../settings/vault.ts";

/** What decides which of Vault's paths a run of the program touches, and what it writes there. */
export type Places = Pick<
  VaultSettings,
  "namespace" | "mount" | "path" | "role" | "authPath" | "access" | "kind" | "login"
>;

type Value = string | boolean | readonly string[] | Readonly<Record<string, string>>;

/**
 * The parameters that may be sent, each with the values that it may have; without a value it may have any.
 *
 * https://developer.hashicorp.com/vault/docs/concepts/policies#parameter-constraints
 */
type Pins = Readonly<Record<string, readonly Value[]>>;

type Rule = [path: string, capabilities: string, reason: string, pins?: Pins];

// What the provider sends, at the version that @pulumi/vault 7.8.0 is made of. Numbers have no value here: a policy's are
// never equal to those of a request, which Vault leaves undecoded. Nor has what holds a null, which a policy cannot say.

/** https://github.com/hashicorp/terraform-provider-vault/blob/v5.8.0/internal/provider/meta.go#L587, createChildToken */
const CHILD_TOKEN: Pins = {
  display_name: [],
  ttl: [],
  explicit_max_ttl: [],
  num_uses: [],
  renewable: [false],
  type: [""],
  entity_alias: [""],
};

/** https://github.com/hashicorp/terraform-provider-vault/blob/v5.8.0/vault/resource_kv_secret_v2.go, kvSecretV2Write */
const SECRET: Pins = { data: [], cas: [], options: [{}] };

/** https://github.com/hashicorp/vault/blob/api/v1.22.0/api/sys_mounts.go, MountInput, for engines and auth backends */
const MOUNTED: Pins = {
  description: [""],
  config: [],
  local: [false],
  seal_wrap: [false],
  external_entropy_access: [false],
};

/**
 * With what its first write resets to, and what a change of the cluster's CA does. Its other settings, a reviewer's token
 * before all, make whoever writes them the judge of all logins.
 *
 * https://github.com/hashicorp/terraform-provider-vault/blob/v5.8.0/vault/resource_kubernetes_auth_backend_config.go
 */
const BACKEND_DEFAULTS: Pins = {
  kubernetes_ca_cert: [""],
  pem_keys: [""],
  disable_iss_validation: [false],
  use_annotations_as_alias_metadata: [false],
};

/**
 * What is reset after somebody has set it. Not the numbers, such as a period that would keep a login for ever.
 *
 * https://github.com/hashicorp/terraform-provider-vault/blob/v5.8.0/vault/resource_kubernetes_auth_backend_role.go and
 * `updateTokenFields` of auth_token.go beside it
 */
const ROLE_DEFAULTS: Pins = {
  bound_service_account_namespace_selector: [""],
  audience: [""],
  token_type: ["default"],
  token_no_default_policy: [false],
  token_bound_cidrs: [[]],
};

/** https://github.com/hashicorp/terraform-provider-vault/blob/v5.8.0/vault/resource_audit.go, auditWrite */
const AUDIT_DEFAULTS: Pins = { description: [""], local: [false] };

/**
 * What Pulumi's runs may do in Vault, as HCL: no more than Terraform's provider asks of it for the program's resources, and
 * where it writes, no other values than the program's own. Free to choose, the reader's policy, its role, the backend's
 * configuration or the audit log would each make its holder root.
 *
 * What a setting changes of them is therefore written first into this policy, by somebody who may.
 *
 * The mount and the auth backend outlive a destroy, so nothing here deletes them, and neither is moved. What Vault lists
 * of its mounts at `sys/internal/ui/mounts` is what a token may use, and needs no rule. Paths are seen from the namespace
 * that the policy is in.
 */
export function deployPolicy(places: Places): string {
  const { namespace, mount, path, role, authPath, access, kind } = places;
  const rules: Rule[] = [
    ["auth/token/lookup-self", "read", "The provider looks at its token, and works with a short-lived child of it."],
    ["auth/token/create", "update", "", CHILD_TOKEN],
    ["auth/token/renew-self", "update", "A deploy token ends when nobody renews it."],
    [`${mount}/data/${path}`, "create, read, update", "The token for DNS, and on destroy all versions of it.", SECRET],
    [`${mount}/metadata/${path}`, "read, delete", ""],
  ];
  if (access === "managed") {
    rules.push(
      [`sys/mounts/${mount}`, "create, read, update", "The KV engine.", { ...MOUNTED, ...pinned(ENGINE) }],
      [
        `sys/auth/${authPath}`,
        "create, update, sudo",
        "The Kubernetes auth backend, which the provider reads as a mount.",
        // Options are null, and mean nothing to it.
        { ...MOUNTED, ...pinned(BACKEND), options: [] },
      ],
      [`sys/mounts/auth/${authPath}`, "read", ""],
      [`sys/mounts/auth/${authPath}/tune`, "read", ""],
      [`auth/${authPath}/config`, "create, read, update", "", { ...BACKEND_DEFAULTS, ...pinned(BACKEND_CONFIG) }],
      [
        `auth/${authPath}/role/${role}`,
        "create, read, update, delete",
        "What External Secrets may read, and who it is.",
        {
          ...ROLE_DEFAULTS,
          ...pinned(readerRole(places)),
          // Vault 2 compares them in small letters, others as they are sent.
          token_policies: [...new Set([role, role.toLowerCase()])].map((name) => [name]),
        },
      ],
      [
        `sys/policies/acl/${role}`,
        "create, read, update, delete",
        "",
        // https://github.com/hashicorp/vault/blob/api/v1.22.0/api/sys_policy.go, PutPolicyWithContext
        pinned({ policy: readerPolicy(mount, path) }),
      ],
    );
  }
  if (kind === "installed") {
    rules.push(
      ["sys/audit", "read, sudo", "The audit log."],
      [
        `sys/audit/${AUDIT_DEVICE}`,
        "create, update, delete, sudo",
        "",
        { ...AUDIT_DEFAULTS, ...pinned(auditLog(AUDIT_DIRECTORY)) },
      ],
      // Alone it is no power: a quorum of key shares has to follow.
      ["sys/generate-root/attempt", "read, update, delete", "Asking the holders of the keys for a new root token."],
      ["sys/generate-root/update", "update", ""],
    );
  }
  if (access === "managed" || kind === "installed")
    rules.push([`sys/policies/acl/${DEPLOY_POLICY}`, "read", "Whether this policy is what the program needs now."]);
  const place =
    namespace === undefined
      ? ""
      : `# Of namespace ${namespace}: vault policy write -namespace=${namespace} ${DEPLOY_POLICY} -\n`;
  return place + rules.map(ruleText).join("");
}

/** A resource's arguments as the parameters of the request, each with its value alone. */
const pinned = (args: Readonly<Record<string, Value | number>>): Pins =>
  Object.fromEntries(
    Object.entries(args).map(([name, value]) => [
      name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
      typeof value === "number" ? [] : [value],
    ]),
  );

function ruleText([path, capabilities, reason, pins]: Rule): string {
  const list = capabilities.split(", ").map((capability) => JSON.stringify(capability));
  const comment = reason === "" ? "" : `# ${reason}\n`;
  const allowed = pins === undefined ? "" : `  allowed_parameters = {\n${pinLines(pins)}  }\n`;
  return `${comment}path ${JSON.stringify(path)} {\n  capabilities = [${list.join(", ")}]\n${allowed}}\n`;
}

const pinLines = (pins: Pins) =>
  Object.entries(pins)
    .map(([name, values]) => `    ${JSON.stringify(name)} = [${values.map(hcl).join(", ")}]\n`)
    .join("");

/** HCL is JSON but for its maps. */
function hcl(value: Value): string {
  if (typeof value !== "object" || Array.isArray(value)) return JSON.stringify(value);
  const entries = Object.entries(value).map(([key, text]) => `${JSON.stringify(key)} = ${JSON.stringify(text)}`);
  return `{${entries.join(", ")}}`;
}
