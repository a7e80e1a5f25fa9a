import { describe, expect, it } from "vitest";
import { parseSettings } from "../../settings/settings.ts";
import { aLabel, aSubdomain, configOf, itJudges, itMakes, smallest } from "./stacks.ts";

const name = "external-secrets";

describe("External Secrets", () => {
  itJudges([
    ["externalSecrets", "a map with keys of install, namespace, serviceAccount", ["x"], [undefined]],
    ["externalSecrets.install", "true or false", ["no"], [undefined, true, false]],
    ["externalSecrets.namespace", `a namespace: ${aLabel}`, ["A"], [undefined, "eso"]],
    [
      "externalSecrets.serviceAccount",
      `a service account: ${aSubdomain}`,
      ["a."],
      [undefined, "reader", "team.reader"],
    ],
  ]);
  itMakes([
    ["none", {}, { externalSecrets: { install: true, namespace: name, serviceAccount: name } }],
    [
      "one that is there",
      { externalSecrets: { install: false } },
      { externalSecrets: { install: false, namespace: name, serviceAccount: name } },
    ],
  ]);

  it("is not installed where there is nothing to read", () => {
    expect(parseSettings(configOf(smallest)).externalSecrets).toEqual({
      install: false,
      namespace: name,
      serviceAccount: name,
    });
  });
});
