import * as v from "valibot";
import { kubernetesName, says, section } from "./fields.ts";

const namespaces = v.pipe(
  v.array(
    v.pipe(
      kubernetesName("a namespace"),
      v.notValue("cert-manager", "a namespace other than cert-manager, where the key is already"),
    ),
  ),
  v.nonEmpty('at least one namespace, or "all"; Reflector reads an empty list as all'),
);

export const reflector = says(
  "Who gets a copy of the certificate and its key.",
  section({
    namespaces: says(
      "Exact names of namespaces other than cert-manager; istio-system is always among them. all copies everywhere, with a warning.",
      v.optional(
        v.pipe(
          v.union([v.literal("all"), namespaces], 'a list of namespaces, or "all"'),
          v.transform((names) => (names === "all" ? names : [...new Set(["istio-system", ...names])].sort())),
        ),
        ["istio-system"],
      ),
    ),
  }),
);

/** Where copies of the certificate and its key go: sorted, and `istio-system` among them. */
export interface ReflectorSettings {
  readonly namespaces: readonly string[] | "all";
}
