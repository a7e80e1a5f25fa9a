import type { AskVault } from "../doctor/vault-api.ts";
import { adopt, clear, type Finding } from "./findings.ts";
import type { LostCreate } from "./state.ts";

// What a create in Vault has left. Only an audit device is refused where there is one: a mount and an auth backend are
// taken over by the program itself, and everything else is written again.

const AUDIT = "vault:index/audit:Audit";

export async function findInVault({ resource }: LostCreate, vault: AskVault): Promise<Finding> {
  const { path, type, name, roleName, backend, mount } = (resource.inputs ?? {}) as Record<string, string>;
  const own = [backend ?? mount, roleName ?? name ?? path].filter(Boolean).join("/");
  const subject = `Vault's ${resource.type.split(":").at(-1)} ${own}`;
  if (resource.type !== AUDIT) return clear(subject, "is written again, whether it is there or not");
  const device = path ?? type ?? "";
  // https://developer.hashicorp.com/vault/api-docs/system/audit
  const { status, body } = await vault<{ data?: Record<string, unknown>; errors?: string[] }>("sys/audit");
  if (status !== 200 || body === undefined)
    throw new Error(`Vault answers ${[status, ...(body?.errors ?? [])].join(" ")}`);
  return body.data?.[`${device}/`] === undefined
    ? clear(subject, "is not there")
    : adopt(subject, { resource, id: device, outputs: {} });
}
