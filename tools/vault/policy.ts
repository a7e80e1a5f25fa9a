import type { VaultSettings } from "../../settings/vault.ts";

/** Name of the policy that the deploy token carries. */
export const DEPLOY_POLICY = "oke-platform";

/** What decides which of Vault's paths a run of the program touches. */
type Places = Pick<VaultSettings, "namespace" | "mount" | "path" | "role" | "authPath" | "access" | "kind">;

type Rule = [path: string, capabilities: string, reason: string];

/**
 * What Pulumi's runs may do in Vault, as HCL: no more than Terraform's provider asks of it for the program's resources.
 *
 * The mount and the auth backend outlive a destroy, so nothing here deletes them, and neither is moved. What Vault lists
 * of its mounts at `sys/internal/ui/mounts` is what a token may use, and needs no rule. Paths are seen from the namespace
 * that the policy is in.
 */
export function deployPolicy({ namespace, mount, path, role, authPath, access, kind }: Places): string {
  const rules: Rule[] = [
    ["auth/token/lookup-self", "read", "The provider looks at its token, and works with a short-lived child of it."],
    ["auth/token/create", "update", ""],
    ["auth/token/renew-self", "update", "A deploy token ends when nobody renews it."],
    [`${mount}/data/${path}`, "create, read, update", "The token for DNS, and on destroy all versions of it."],
    [`${mount}/metadata/${path}`, "read, delete", ""],
  ];
  if (access === "managed") {
    rules.push(
      [`sys/mounts/${mount}`, "create, read, update", "The KV engine."],
      [
        `sys/auth/${authPath}`,
        "create, update, sudo",
        "The Kubernetes auth backend, which the provider reads as a mount.",
      ],
      [`sys/mounts/auth/${authPath}`, "read", ""],
      [`sys/mounts/auth/${authPath}/tune`, "read", ""],
      [`auth/${authPath}/config`, "create, read, update", ""],
      [
        `auth/${authPath}/role/${role}`,
        "create, read, update, delete",
        "What External Secrets may read, and who it is.",
      ],
      [`sys/policies/acl/${role}`, "create, read, update, delete", ""],
    );
  }
  if (kind === "installed") {
    rules.push(
      ["sys/audit", "read, sudo", "The audit log."],
      ["sys/audit/file", "create, update, delete, sudo", ""],
      [`sys/policies/acl/${DEPLOY_POLICY}`, "read", "Whether this policy is what the program needs now."],
      // Alone it is no power: a quorum of key shares has to follow.
      ["sys/generate-root/attempt", "read, update, delete", "Asking the holders of the keys for a new root token."],
      ["sys/generate-root/update", "update", ""],
    );
  }
  const place =
    namespace === undefined
      ? ""
      : `# Of namespace ${namespace}: vault policy write -namespace=${namespace} ${DEPLOY_POLICY} -\n`;
  return place + rules.map(ruleText).join("");
}

function ruleText([path, capabilities, reason]: Rule): string {
  const list = capabilities.split(", ").map((capability) => JSON.stringify(capability));
  const comment = reason === "" ? "" : `# ${reason}\n`;
  return `${comment}path ${JSON.stringify(path)} {\n  capabilities = [${list.join(", ")}]\n}\n`;
}
