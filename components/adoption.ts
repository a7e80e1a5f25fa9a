import { AsyncResource } from "node:async_hooks";
import * as pulumi from "@pulumi/pulumi";

/**
 * Lets the error of a create that meets an object of the same name say how this stack takes it over: a run that was
 * killed inside a create leaves an object that its state does not know.
 *
 * For every resource of the stack, because any create may be the one that was interrupted.
 */
export function explainTakenNames(): void {
  const parents = new Map<string, pulumi.Resource>();
  const explain = async (failure: pulumi.ErrorHookArgs) => {
    const { type, name, failedOperation, newInputs = {}, errors } = failure;
    const id = idOf(type, newInputs);
    if (failedOperation === "create" && id !== undefined && errors.some((error) => TAKEN.test(error))) {
      const parent = parents.get(keyOf(type, name));
      await pulumi.log.error(await advice(type, name, id, parent));
    }
    // Another try would meet the same object.
    return false;
  };
  // Bound, because the engine calls hooks from outside of the program, where nothing can be logged.
  const hook = new pulumi.ErrorHook("taken-name", AsyncResource.bind(explain));
  void pulumi.runtime.registerStackTransformation(({ type, name, props, opts }) => {
    if (!isAdoptable(type)) return undefined;
    if (opts.parent) parents.set(keyOf(type, name), opts.parent);
    return { props, opts: { ...opts, hooks: { ...opts.hooks, onError: [...(opts.hooks?.onError ?? []), hook] } } };
  });
}

const keyOf = (type: string, name: string) => `${type} ${name}`;

/** Kinds whose names are their identity; the other clouds take several of one name. */
const isAdoptable = (type: string) => /^(kubernetes|vault):/.test(type);

/** How the API server, Helm and Vault say that a name is taken. */
const TAKEN = /already exists|cannot re-use a name that is still in use|path is already in use/;

async function advice(type: string, name: string, id: string, parent: pulumi.Resource | undefined): Promise<string> {
  const [pulumiPackage] = type.split(":");
  const resource = { type, name, id, parent: "parent", provider: "provider" };
  const stack = `urn:pulumi:${pulumi.getStack()}::${pulumi.getProject()}`;
  const nameTable = {
    parent: await new Promise<string>((resolve) => {
      if (parent === undefined) resolve(`${stack}::pulumi:pulumi:Stack::${pulumi.getProject()}-${pulumi.getStack()}`);
      else parent.urn.apply(resolve);
    }),
    // Each package has one provider, with the package's name.
    provider: `${stack}::pulumi:providers:${pulumiPackage}::${pulumiPackage}`,
  };
  const file = JSON.stringify({ nameTable, resources: [resource] });
  const [namespace, release] = id.split("/");
  // One that Helm has not finished can be taken over, but never be upgraded.
  const pending =
    type === "kubernetes:helm.sh/v3:Release"
      ? `If helm --namespace ${namespace} status ${release} says pending-install, run helm --namespace ${namespace} uninstall ${release}, and up again. `
      : "";
  return (
    `${id} (${type}) is there already, and not in this stack's state. If somebody else made it, remove it first. ` +
    `${pending}If a run of this stack that was interrupted made it, take it over and run up again: ` +
    `echo '${file}' | pulumi import --file /dev/stdin --protect=false --generate-code=false`
  );
}

/** What `pulumi import` calls the object. */
function idOf(type: string, inputs: Record<string, unknown>): string | undefined {
  const { name, namespace } = (inputs.metadata ?? inputs) as { name?: string; namespace?: string };
  if (type.startsWith("kubernetes:")) return [namespace, name].filter(Boolean).join("/") || undefined;
  return (inputs.path as string | undefined) ?? name;
}
