import { describe, expect, it } from "vitest";
import type { Registration } from "../../project/record.ts";
import { willingCloud } from "../../sandbox/schedule/willing-cloud.ts";
import { worldWithoutVault } from "../../sandbox/world/beginnings.ts";
import { named, registrationsOf } from "../harness.ts";

const FREEFORM = "oci.oraclecloud.com/initial-freeform-tags-override";
const DEFINED = "oci.oraclecloud.com/initial-defined-tags-override";
const tags = { freeformTags: { team: "web" }, definedTags: { Operations: { CostCenter: "42", Team: "web" } } };

const tagged = (registrations: Registration[]) =>
  registrations
    .filter(({ type, inputs }) => type.startsWith("oci:") && ("freeformTags" in inputs || "definedTags" in inputs))
    .map(({ name, inputs: { freeformTags, definedTags } }) => ({ name, freeformTags, definedTags }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));

const annotationsOf = (registrations: Registration[]) => {
  const { service } = named(registrations, "ingress-gateway").inputs.values as {
    service: { annotations: Record<string, string> };
  };
  return [FREEFORM, DEFINED].map((key) => service.annotations[key]);
};

describe("tags", () => {
  it("are on all that can have them at OCI, and in the annotations from which the load balancer gets them", async () => {
    const changes = { ...tags, vault: { install: true } };
    const registrations = await registrationsOf("prod", changes, {}, willingCloud(worldWithoutVault()));
    const flat = { "Operations.CostCenter": "42", "Operations.Team": "web" };
    expect(tagged(registrations)).toEqual(
      ["load-balancer-ip", "load-balancer-nsg", "vault-seal-key", "vault-seal-kms"].map((name) => ({
        name,
        freeformTags: tags.freeformTags,
        definedTags: flat,
      })),
    );
    expect(annotationsOf(registrations)).toEqual(['{"team":"web"}', '{"Operations":{"CostCenter":"42","Team":"web"}}']);
  });

  it("are left to OCI where none are given", async () => {
    const registrations = await registrationsOf("prod");
    expect([tagged(registrations), annotationsOf(registrations)]).toEqual([[], [undefined, undefined]]);
  });
});
