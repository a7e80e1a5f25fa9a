import { expect, it } from "vitest";
import { importCommand } from "../../../tools/repair/import-command.ts";
import { named, registrationsOf } from "../../harness.ts";

it("the command that takes something over names the stack as it was asked for", async () => {
  const registration = named(await registrationsOf("prod"), "secret-store");
  const state = { version: 3, deployment: {} };
  for (const stack of ["prod", "organisation/oke-platform/prod"])
    expect(importCommand(registration, "vault-backend", { stack, state })).toMatch(
      new RegExp(
        `^take it over and run up again: echo '.*"id":"vault-backend".*' [|] pulumi import .* --stack ${stack}$`,
      ),
    );
});
