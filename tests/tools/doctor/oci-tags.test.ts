import { describe, expect, it } from "vitest";
import { examineOci } from "../../../tools/doctor/oci.ts";
import { examination, nothing, told, wholeStack } from "./examination.ts";
import { freshOci, ids, type OciAnswers, recorded } from "./oci-stand-in.ts";

const NAMESPACES = `iam tag-namespace list --compartment-id ${ids.tenancy} --include-subcompartments true --all`;
const tagsIn = (id: string) => `iam tag list --tag-namespace-id ${id} --all`;
const ABSENT =
  "does not exist, is retired, or this identity may not see it → define it, correct the name, or let the identity use tag-namespaces";

const namespace = (name: string, isRetired = false) => ({
  id: `ocid1.tagnamespace.${name}`,
  name,
  "is-retired": isRetired,
});
const tag = (name: string, isRetired = false) => ({ name, "is-retired": isRetired });

async function findingOn(
  definedTags: object,
  answers: OciAnswers,
  env: Record<string, string> = { OCI_CLI_TENANCY: ids.tenancy },
) {
  const raw = { ...wholeStack(), definedTags };
  const outcomes = await examineOci(
    examination(raw, { HOME: "/nowhere", ...env }),
    recorded({ ...freshOci(), ...answers }),
    Promise.resolve(nothing),
  );
  return told(outcomes)["oci: defined tags"];
}

describe("defined tags", () => {
  const known = {
    [NAMESPACES]: [namespace("Operations"), namespace("Old", true)],
    [tagsIn("ocid1.tagnamespace.Operations")]: [tag("CostCenter"), tag("Gone", true)],
  };

  it.each([
    ["are there, whatever their case", { operations: { costcenter: "42" } }, "ok: all are defined in 1 namespace(s)"],
    ["have no such namespace", { Finance: { A: "b" } }, `problem: definedTags: tag namespace Finance ${ABSENT}`],
    ["have a namespace that is retired", { Old: { A: "b" } }, `problem: definedTags: tag namespace Old ${ABSENT}`],
    [
      "have no such key, and one that is retired",
      { Operations: { CostCenter: "42", Team: "web", Gone: "x" } },
      ["Operations.Team", "Operations.Gone"].map((name) => `problem: definedTags: tag ${name} ${ABSENT}`),
    ],
  ])("%s", async (_, definedTags, finding) => {
    expect(await findingOn(definedTags, known)).toEqual(finding);
  });

  it("are not asked for without a tenancy, nor where there are none", async () => {
    expect(await findingOn({ A: { B: "c" } }, {}, {})).toBe(
      "skipped: the tenancy's OCID is in neither OCI_CLI_TENANCY nor the configuration of the oci CLI → set OCI_CLI_TENANCY",
    );
    expect(await findingOn({}, {})).toBe(undefined);
  });
});
