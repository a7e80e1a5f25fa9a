import { CERT_MANAGER_NAMESPACE } from "../../components/cert-manager.ts";
import { ISTIO_NAMESPACE } from "../../components/istio.ts";
import { LEVELS, podSecurity } from "../../components/namespace.ts";
import { VAULT_NAMESPACE } from "../../components/vault/server.ts";
import type { Settings } from "../../settings/settings.ts";
import { problem, skipped, unless, type Verdict, warning } from "../lib/checks.ts";
import type { ClusterReader } from "./cluster-reader.ts";

// What the levels of the Pod Security Standards that an `up` gives to its namespaces would keep out of them.

type Whose = keyof typeof LEVELS;

/** The namespaces that the program labels. */
const labelledIn = ({ externalSecrets, vault }: Settings): (readonly [name: string, whose: Whose])[] => [
  [CERT_MANAGER_NAMESPACE, "certManager"],
  [ISTIO_NAMESPACE, "istio"],
  ...(externalSecrets.install ? [[externalSecrets.namespace, "externalSecrets"] as const] : []),
  ...(vault?.kind === "installed" ? [[VAULT_NAMESPACE, "vault"] as const] : []),
];

const STANDARDS = "https://kubernetes.io/docs/concepts/security/pod-security-standards/";

/** Whether the pods of the namespaces that are there fit the levels that an `up` gives them. */
export async function podSecurityVerdicts(settings: Settings, cluster: ClusterReader): Promise<readonly Verdict[]> {
  const labelled = labelledIn(settings);
  const faults = await Promise.all(
    labelled.map(async ([name, whose]) => {
      if ((await cluster.namespace(name)) === undefined) return [];
      const answer = await cluster.labelled(name, podSecurity(whose));
      if ("forbidden" in answer)
        return [skipped(answer.forbidden, "run this as who may label namespaces, as an up does")];
      if ("owner" in answer)
        return [
          problem(
            `namespace ${name}: ${answer.owner} has set another level of Pod Security than ${LEVELS[whose]}, and the up is refused`,
            `kubectl label namespace ${name} pod-security.kubernetes.io/enforce- pod-security.kubernetes.io/audit- pod-security.kubernetes.io/warn-`,
          ),
        ];
      // The first of the lines only says that the others follow.
      const pods = answer.warnings.filter((line) => !line.startsWith("existing pods in namespace"));
      return pods.map((pod) =>
        warning(
          `namespace ${name} becomes ${LEVELS[whose]}, and a pod that is there would not be let in again: ${pod}`,
          `let it fit, or move it to a namespace of its own: ${STANDARDS}; what the platform's own charts have made fits after the up`,
        ),
      );
    }),
  );
  return unless(faults.flat(), labelled.map(([name, whose]) => `${name} ${LEVELS[whose]}`).join(", "));
}
