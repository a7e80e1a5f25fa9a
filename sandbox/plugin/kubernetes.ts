import type { Properties } from "../../project/registration.ts";
import { sha256 } from "../world/state.ts";
import { at, type PluginPart, type ResourceModel, text } from "./model.ts";

/** What the provider for Kubernetes says of an object whose kind a chart defines. */
export const customResource = (kind: string): ResourceModel => ({
  kind,
  request(inputs) {
    const { name, namespace, annotations } = at(inputs, "metadata");
    return {
      namespace: text(namespace),
      name: String(name),
      spec: { ...at(inputs, "spec"), ...(kind === "ExternalSecret" && { annotations }) },
    };
  },
  refreshed: ({ spec: { annotations, ...spec } }) => ({
    spec: kind === "ExternalSecret" ? spec : { ...spec, ...(annotations !== undefined && { annotations }) },
  }),
  imported: ({ name, namespace, spec: { annotations, ...spec } }, type) => ({
    apiVersion: type.split(":")[1],
    kind,
    metadata: { name, ...(namespace && { namespace }), ...(kind === "ExternalSecret" && { annotations }) },
    spec,
  }),
});

function labelled(inputs: Properties) {
  const { name, labels } = at(inputs, "metadata");
  return { name: String(name), spec: labels === undefined ? {} : { labels } };
}

export const kubernetes: PluginPart = {
  models: {
    "kubernetes:core/v1:Namespace": {
      kind: "Namespace",
      request: labelled,
      imported: ({ name, spec: { labels } }) => ({ metadata: { name, ...(labels !== undefined && { labels }) } }),
    },
    "kubernetes:core/v1:NamespacePatch": { kind: "NamespacePatch", request: labelled },
    "kubernetes:core/v1:Secret": {
      kind: "Secret",
      request(inputs) {
        const { name, namespace } = at(inputs, "metadata");
        // Only the digests: the world's file is no place for a secret.
        const data = Object.entries(at(inputs, "data")).map(([key, value]) => [
          key,
          sha256(Buffer.from(String(value), "base64").toString()),
        ]);
        return { namespace: text(namespace), name: String(name), spec: { data: Object.fromEntries(data) } };
      },
    },
    "kubernetes:core/v1:Service": {
      kind: "Service",
      request: () => {
        throw new Error("Services are made by the gateway's release; this type is only read");
      },
    },
    "kubernetes:helm.sh/v3:Release": {
      kind: "Release",
      request: (inputs) => ({
        namespace: text(inputs.namespace),
        name: String(inputs.name),
        spec: {
          // The last part of a repository's name, a registry's path or an archive's file name.
          chart: String(inputs.chart)
            .replace(/^.*\//, "")
            .replace(/-v?\d+\.\d+\.\d+.*\.tgz$/, ""),
          version: inputs.version,
          createNamespace: inputs.createNamespace,
          values: inputs.values ?? {},
          timeout: inputs.timeout,
        },
      }),
      outputs: (inputs) => ({
        status: { name: inputs.name, namespace: inputs.namespace, status: "deployed", version: inputs.version },
      }),
      computed: ["status"],
      imported: ({ name, namespace, spec }) => ({ name, namespace, ...spec }),
      deadline: ({ timeout }) => Number(timeout ?? 300),
    },
  },
  invokes: {},
};
