import { describe } from "vitest";
import { aLabel, itJudges, itMakes, itRefuses, type Raw } from "./stacks.ts";

const doors = ["routes", "certificates", "secrets"];
const closed = { routes: [], certificates: [], secrets: [] };
const noToken: Raw = { acme: { server: "ca" }, cloudflare: { token: "none" }, vault: undefined };

describe("who may use what is the platform's", () => {
  itJudges(
    doors.flatMap((door): [string, string, unknown[], unknown[]][] => [
      [
        `tenancy.${door}`,
        '"platform", "all", or a list of namespaces',
        ["apps", 5, true],
        [undefined, "platform", "all", [], ["apps"], ["apps", "apps"]],
      ],
      [`tenancy.${door}[0]`, `a namespace: ${aLabel}`, ["Apps", "apps-*", "", "all!"], ["apps", "all"]],
    ]),
    { tenancy: Object.fromEntries(doors.map((door) => [door, ["z"]])) },
  );

  itRefuses([
    [
      "a store that is open and not there",
      { ...noToken, tenancy: { secrets: ["apps"] } },
      'tenancy.secrets is ["apps"]; allowed: "platform" with cloudflare.token "none", where there is no store; remove it',
    ],
    ["nothing where the rest is open", { ...noToken, tenancy: { routes: "all", certificates: "all" } }],
    [
      "a door that is none",
      { tenancy: { vault: "all" } },
      "tenancy.vault is no setting; allowed: a map with no other keys than routes, certificates, secrets",
    ],
  ]);

  itMakes([
    ["nothing", {}, { tenancy: closed }],
    ["what is closed", { tenancy: { routes: "platform", certificates: "platform" } }, { tenancy: closed }],
    ["an empty list", { tenancy: { routes: [] } }, { tenancy: closed }],
    [
      "namespaces, twice and in any order",
      { tenancy: { routes: ["z", "a", "z"] } },
      { tenancy: { ...closed, routes: ["a", "z"] } },
    ],
    [
      "all",
      { tenancy: { certificates: "all", secrets: "all" } },
      { tenancy: { routes: [], certificates: "all", secrets: "all" } },
    ],
  ]);
});
