import * as pulumi from "@pulumi/pulumi";
import type { Cluster } from "../settings/cluster.ts";
import { apiServerOf } from "./api-server.ts";
import { CERT_MANAGER_NAMESPACE } from "./cert-manager.ts";
import { externalSecretsUsers } from "./external-secrets-users.ts";
import { previewHook } from "./hooks.ts";
import { TOKEN_SECRET } from "./token-secret.ts";

export interface ContinuityArgs {
  readonly cluster: Cluster;
  /** External Secrets, as far as this stack is to have installed it. */
  readonly reader: { readonly install: boolean; readonly namespace: string };
}

/** What a run leaves for the next one to compare with. */
interface Facts {
  /** The setting that named the cluster. */
  readonly by: "id" | "context";
  readonly cluster: string;
  /** Where this stack has installed External Secrets; null where it has not. */
  readonly externalSecrets: string | null;
}

/**
 * What must not change unseen from one run to the next. It stands in the state, because nothing else of a stack that goes on
 * carries it: a provider that is replaced tells its hooks nothing of the one before, and a release that goes has none but
 * hooks of deletion, for which a destroy would want the program.
 */
export class Continuity extends pulumi.ComponentResource {
  /** OCID or context of the cluster, once it is certain that it is the stack's own: nothing in it is touched before. */
  readonly cluster: pulumi.Output<string>;

  constructor(name: string, { cluster, reader }: ContinuityArgs, opts?: pulumi.ComponentResourceOptions) {
    super("oke-platform:platform:Continuity", name, {}, opts);

    const facts: Facts = {
      ...("id" in cluster ? { by: "id", cluster: cluster.id } : { by: "context", cluster: cluster.context }),
      externalSecrets: reader.install ? reader.namespace : null,
    };
    const beforeUpdate = [
      previewHook(`${name}-same-cluster`, (change) => refuseOtherCluster(...factsOf(change))),
      previewHook(`${name}-nobody-orphaned`, (change) => refuseOrphans(cluster, ...factsOf(change))),
    ];
    const stash = new pulumi.Stash(`${name}-facts`, { input: facts }, { parent: this, hooks: { beforeUpdate } });
    this.cluster = stash.input.apply((known: Facts) => known.cluster);

    this.registerOutputs({ cluster: this.cluster });
  }
}

const factsOf = ({ oldInputs, newInputs }: pulumi.ResourceHookArgs) =>
  [oldInputs?.input, newInputs?.input] as [before: Facts, after: Facts];

/** @throws with both clusters, and what to do */
function refuseOtherCluster(before: Facts, after: Facts): void {
  if (before.by === after.by && before.cluster === after.cluster) return;
  const [here, there] = [before, after].map(({ by, cluster }) => `cluster.${by} ${cluster}`);
  const renamed =
    before.by === "context" && after.by === "context"
      ? `, or, if it is the same cluster by another name, name it as before: kubectl config rename-context ${after.cluster} ${before.cluster}`
      : "";
  throw new Error(
    `this stack is in ${here} and would be in ${there}: everything would be made anew there, and deleted here. Take the ` +
      `change back${renamed}. Another cluster is another stack: pulumi stack init <name>`,
  );
}

/**
 * Refuses to take External Secrets away from others, whose Secrets nobody would sync any more.
 *
 * @throws with what it serves, and what to do
 */
async function refuseOrphans(cluster: Cluster, before: Facts, after: Facts): Promise<void> {
  const namespace = before.externalSecrets;
  if (namespace === null || after.externalSecrets !== null) return;
  const going = `External Secrets would go from namespace ${namespace}`;
  const { served, controllers } = await apiServerOf(cluster)
    .then(externalSecretsUsers)
    .catch((error: Error) => {
      throw new Error(`${going}, and whom it serves cannot be seen: ${error.message}. Take the change back`);
    });
  const others = served.filter((it) => it !== `ExternalSecret ${CERT_MANAGER_NAMESPACE}/${TOKEN_SECRET}`);
  if (others.length === 0 || controllers.some((it) => it !== namespace)) return;
  const named = others.slice(0, 3).join(", ");
  throw new Error(
    `${going}, and nobody would sync ${named}${others.length > 3 ? ` and ${others.length - 3} more` : ""}. Take the change ` +
      "back (externalSecrets.install: true, with vault), or have another External Secrets serve them first, in another " +
      "namespace, with its installCRDs, webhook.create and certController.create false until this one is gone",
  );
}
