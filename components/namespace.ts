import { Namespace } from "@pulumi/kubernetes/core/v1/namespace.js";
import { NamespacePatch } from "@pulumi/kubernetes/core/v1/namespacePatch.js";
import type * as pulumi from "@pulumi/pulumi";

/** What the API server refuses of the pods of a namespace. */
type PodSecurity = keyof typeof levels;

const label = (mode: "enforce" | "audit" | "warn") => `pod-security.kubernetes.io/${mode}`;

/** https://kubernetes.io/docs/concepts/security/pod-security-standards/ */
const levels = {
  /** All that the strictest standard does: for namespaces of the platform's pods alone. */
  restricted: { [label("enforce")]: "restricted" },
  /** Whatever gets at the node; of what else that standard refuses it tells. For namespaces where others have pods, too. */
  baseline: { [label("enforce")]: "baseline", [label("audit")]: "restricted", [label("warn")]: "restricted" },
} satisfies Record<string, Record<string, string>>;

/** The level of each of the platform's namespaces, by whose it is. */
export const LEVELS = {
  certManager: "restricted",
  externalSecrets: "restricted",
  // Kiali and others of the mesh's own live here, too.
  istio: "baseline",
  vault: "restricted",
} as const satisfies Readonly<Record<string, PodSecurity>>;

/** The labels by which a namespace has its level. */
export const podSecurity = (whose: keyof typeof LEVELS): Readonly<Record<string, string>> => ({
  ...levels[LEVELS[whose]],
});

/** A namespace that is the stack's own, and goes with a destroy. */
export const ownNamespace = (
  name: string,
  namespace: string,
  whose: keyof typeof LEVELS,
  parent: pulumi.Resource,
): Namespace => new Namespace(name, { metadata: { name: namespace, labels: podSecurity(whose) } }, { parent });

/**
 * The labels of a namespace that outlives the stack: one that is missing is made, and a destroy takes nothing but them.
 *
 * @returns the namespace's name, for what must not be there before its labels are
 */
export function keptNamespace(
  name: string,
  namespace: string,
  whose: keyof typeof LEVELS,
  parent: pulumi.Resource,
): pulumi.Output<string> {
  const { metadata } = new NamespacePatch(
    name,
    { metadata: { name: namespace, labels: podSecurity(whose) } },
    { parent },
  );
  return metadata.apply(({ name: made }) => made ?? namespace);
}

/** The profile of system calls that every container may live with. `restricted` asks for one. */
export const RUNTIME_DEFAULT = { seccompProfile: { type: "RuntimeDefault" } } as const;
