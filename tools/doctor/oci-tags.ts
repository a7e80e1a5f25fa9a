import type { TagsSettings } from "../../settings/tags.ts";
import { problem, skipped, unless, type Verdict } from "../lib/checks.ts";
import type { AskOci } from "./oci-cli.ts";

/** Judges whether the defined tags of the settings are defined: OCI refuses to make what has another. */
export async function judgeTags(
  { definedTags }: TagsSettings,
  oci: AskOci,
  tenancy: string | undefined,
): Promise<Verdict | readonly Verdict[]> {
  const asked = Object.entries(definedTags);
  if (tenancy === undefined)
    return skipped(
      "the tenancy's OCID is in neither OCI_CLI_TENANCY nor the configuration of the oci CLI",
      "set OCI_CLI_TENANCY",
    );
  const within = ["--compartment-id", tenancy, "--include-subcompartments", "true", "--all"];
  const namespaces = await oci<"tagNamespaces">("iam", "tag-namespace", "list", ...within);
  const faults = await Promise.all(
    asked.map(async ([name, tags]) => {
      const namespace = namespaces.find((it) => it.name.toLowerCase() === name.toLowerCase() && !it["is-retired"]);
      if (namespace === undefined) return [absent(`tag namespace ${name}`)];
      const defined = await oci<"tags">("iam", "tag", "list", "--tag-namespace-id", namespace.id, "--all");
      const keys = defined.filter((tag) => !tag["is-retired"]).map((tag) => tag.name.toLowerCase());
      return Object.keys(tags)
        .filter((key) => !keys.includes(key.toLowerCase()))
        .map((key) => absent(`tag ${name}.${key}`));
    }),
  );
  return unless(faults.flat(), `all are defined in ${asked.length} namespace(s)`);
}

const absent = (what: string) =>
  problem(
    `definedTags: ${what} does not exist, is retired, or this identity may not see it`,
    "define it, correct the name, or let the identity use tag-namespaces",
  );
