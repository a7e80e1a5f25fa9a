import { describe } from "vitest";
import { itJudges, itMakes } from "./stacks.ts";

describe("the certificate", () => {
  itJudges([
    [
      "certificate.key",
      '"ecdsa-p256" or "rsa-2048"',
      ["ECDSA", "rsa-4096", 2048, true],
      [undefined, "", "ecdsa-p256", "rsa-2048"],
    ],
  ]);
  itMakes([
    ["nothing said", { certificate: {} }, { certificate: { key: "ecdsa-p256" } }],
    ["the key of old clients", { certificate: { key: "rsa-2048" } }, { certificate: { key: "rsa-2048" } }],
  ]);
});
