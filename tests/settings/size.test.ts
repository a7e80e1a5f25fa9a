import { describe } from "vitest";
import { itJudges, itMakes } from "./stacks.ts";

describe("the size", () => {
  itJudges([["size", '"small" or "production"', ["large", "Small"], [undefined, "small", "production"]]]);
  itMakes([
    ["none", { size: undefined }, { size: "small" }],
    ["production", { size: "production" }, { size: "production" }],
  ]);
});
