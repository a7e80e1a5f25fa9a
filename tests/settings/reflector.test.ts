import { describe } from "vitest";
import { aLabel, itJudges, itMakes } from "./stacks.ts";

describe("the namespaces that get the key", () => {
  itJudges(
    [
      [
        "reflector.namespaces",
        'at least one namespace, or "all"; Reflector reads an empty list as all',
        [[]],
        [undefined, "all", ["apps"]],
      ],
      ["reflector.namespaces", 'a list of namespaces, or "all"', ["apps-.*", 5], []],
      ["reflector.namespaces[0]", `a namespace: ${aLabel}`, ["Apps"], ["apps"]],
      [
        "reflector.namespaces[0]",
        "a namespace other than cert-manager, where the key is already",
        ["cert-manager"],
        ["istio-system"],
      ],
    ],
    { reflector: { namespaces: ["z"] } },
  );

  itMakes([
    ["none", {}, { reflector: { namespaces: ["istio-system"] } }],
    [
      "some, twice and in any order",
      { reflector: { namespaces: ["z", "a", "z"] } },
      { reflector: { namespaces: ["a", "istio-system", "z"] } },
    ],
    [
      "istio-system among them",
      { reflector: { namespaces: ["z", "istio-system"] } },
      { reflector: { namespaces: ["istio-system", "z"] } },
    ],
    ["all", { reflector: { namespaces: "all" } }, { reflector: { namespaces: "all" } }],
  ]);
});
