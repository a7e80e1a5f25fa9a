import type { Registration } from "../../project/record.ts";
import { knownIn, type State } from "./state.ts";

/**
 * The command that hands an object of somebody else's to the stack, in its component. The rest is named by
 * https://www.pulumi.com/docs/iac/cli/commands/pulumi_import/
 *
 * @param id as the provider's import takes it
 * @param known the stack as it was asked for, since whose it is stands in no URN
 */
export function importCommand(
  { type, name, parent = "", options }: Registration,
  id: string,
  { stack, state }: { readonly stack: string; readonly state: State },
): string {
  const [provider = ""] = options.provider.split(/::(?=[^:]*$)/);
  const isParentKnown = knownIn(state, parent) !== undefined;
  const parentName = parent.split("::").at(-1) ?? "";
  const nameTable = { ...(isParentKnown && { parent }), ...(provider !== "" && { provider }) };
  const component = { type: parent.split("::")[2] ?? "", name: parentName, component: true };
  const resource = {
    type,
    name,
    id,
    parent: isParentKnown ? "parent" : parentName,
    ...(provider !== "" && { provider: "provider" }),
  };
  const file = JSON.stringify({ nameTable, resources: [...(isParentKnown ? [] : [component]), resource] });
  const flags = `--file /dev/stdin --protect=false --generate-code=false --stack ${stack}`;
  return `take it over and run up again: echo '${file}' | pulumi import ${flags}`;
}
