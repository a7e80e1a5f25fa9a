import type { Registration } from "../../../project/record.ts";

/** A registration that nobody recorded. */
export const registrationOf = (
  name: string,
  type: string,
  inputs: Registration["inputs"],
  more: Partial<Registration> = {},
): Registration => ({
  urn: `urn:pulumi:prod::oke-platform::${type}::${name}`,
  type,
  name,
  parent: undefined,
  custom: true,
  dependsOn: [],
  dataDependsOn: [],
  inputs,
  ...more,
  options: {
    retainOnDelete: false,
    ignoreChanges: [],
    importId: undefined,
    createSeconds: undefined,
    updateSeconds: undefined,
    hooks: [],
    errorHooks: [],
    provider: "",
    ...more.options,
  },
});
