import type { Registration } from "../../project/record.ts";
import { knownIn, type State } from "./state.ts";

/**
 * What `pulumi import --file` reads to hand an object to the stack, in its component. The rest is named by
 * https://www.pulumi.com/docs/iac/cli/commands/pulumi_import/
 *
 * @param id as the provider's import takes it
 */
export function importFile({ type, name, parent = "", options }: Registration, id: string, state: State): object {
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
  return { nameTable, resources: [...(isParentKnown ? [] : [component]), resource] };
}

/** Of an import by which the object is no other than one that the program has made. */
export const IMPORT_FLAGS = ["--protect=false", "--generate-code=false"] as const;

/**
 * The command that does it.
 *
 * @param known the stack as it was asked for, since whose it is stands in no URN
 */
export function importCommand(
  registration: Registration,
  id: string,
  { stack, state }: { readonly stack: string; readonly state: State },
): string {
  const file = JSON.stringify(importFile(registration, id, state));
  const flags = `--file /dev/stdin ${IMPORT_FLAGS.join(" ")} --stack ${stack}`;
  return `take it over and run up again: echo '${file}' | pulumi import ${flags}`;
}
