import * as pulumi from "@pulumi/pulumi";
import type { TagsSettings } from "../settings/tags.ts";
import { serviceOf } from "./balanced-service.ts";

const isEmpty = (tags: object) => Object.keys(tags).length === 0;

/** The tags as OCI's provider takes them, by `<namespace>.<key>`; a kind that is not given is left as OCI sets it. */
export const ociTags = ({ freeformTags, definedTags }: TagsSettings) => ({
  ...(!isEmpty(freeformTags) && { freeformTags: { ...freeformTags } }),
  ...(!isEmpty(definedTags) && {
    definedTags: Object.fromEntries(
      Object.entries(definedTags).flatMap(([namespace, tags]) =>
        Object.entries(tags).map(([key, value]) => [`${namespace}.${key}`, value]),
      ),
    ),
  }),
});

const ANNOTATIONS = {
  freeformTags: "oci.oraclecloud.com/initial-freeform-tags-override",
  definedTags: "oci.oraclecloud.com/initial-defined-tags-override",
} as const;

/** The Service's annotations from which the cloud controller tags the load balancer that it makes. */
export const tagAnnotations = (tags: TagsSettings): Record<string, string> =>
  Object.fromEntries(
    Object.entries(ANNOTATIONS)
      .map(([kind, annotation]) => [annotation, tags[kind as keyof TagsSettings]] as const)
      .filter(([, given]) => !isEmpty(given))
      .map(([annotation, given]) => [annotation, JSON.stringify(given)]),
  );

/**
 * Warns that other tags do not reach a load balancer that exists: the cloud controller reads them when it makes one.
 * A warning and no refusal, because they do reach all else.
 */
export async function warnOfLaterTags({ oldInputs, newInputs }: pulumi.ResourceHookArgs): Promise<void> {
  const [before, after] = [oldInputs, newInputs].map((inputs) => serviceOf(inputs ?? {}).annotations ?? {});
  const changed = Object.entries(ANNOTATIONS).filter(([, annotation]) => before?.[annotation] !== after?.[annotation]);
  if (changed.length === 0) return;
  await pulumi.log.warn(
    `${changed.map(([kind]) => kind).join(" and ")} change on what the program makes at OCI, but not on the load balancer, ` +
      "whose tags the cloud controller sets when it makes it; change them there: oci lb load-balancer update " +
      `--load-balancer-id <OCID> ${changed.map(([kind]) => (kind === "freeformTags" ? "--freeform-tags" : "--defined-tags")).join(" … ")} …`,
  );
}
