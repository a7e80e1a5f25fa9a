import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { OciError, ociCli, tenancyOf } from "../../../tools/doctor/oci-cli.ts";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "oke-oci-"));
});
afterEach(() => rm(directory, { recursive: true }));

/** A command `oci` that runs a script. */
async function cli(script: string, limitMs = 20_000) {
  const file = join(directory, "oci");
  await writeFile(file, `#!/bin/sh\n${script}\n`);
  await chmod(file, 0o755);
  return ociCli({ PATH: `${directory}:/usr/bin:/bin`, HOME: directory }, limitMs);
}

/** OCI's answer to what is not there, as the CLI prints it. */
const NOT_FOUND = `ServiceError:
{
    "client_version": "Oracle-PythonSDK/2.160.1, Oracle-PythonCLI/3.66.1",
    "code": "NotAuthorizedOrNotFound",
    "logging_tips": "Please run the OCI CLI command using --debug flag to find more debug information.",
    "message": "Authorization failed or requested resource not found.",
    "status": 404,
    "target_service": "virtual_network"
}`;

describe("the oci CLI", () => {
  it("is asked for JSON, in its user's environment, and its data is the answer", async () => {
    const oci = await cli(`printf '{"data": {"args": "%s", "home": "%s"}}' "$*" "$HOME"`);
    const asked = "network nsg get --nsg-id ocid1 --output json";
    expect(await oci("network", "nsg", "get", "--nsg-id", "ocid1")).toEqual({ args: asked, home: directory });
  });

  it("prints nothing where a list is empty", async () => {
    expect(await (await cli(":"))("ce", "cluster", "list-addons")).toEqual([]);
  });

  it.each([
    {
      what: "what OCI refuses",
      script: `cat >&2 <<'END'\n${NOT_FOUND}\nEND\nexit 1`,
      error: new OciError(
        "OCI answers 404 NotAuthorizedOrNotFound: Authorization failed or requested resource not found.",
        404,
      ),
    },
    {
      what: "its own words, in one line, where it is not set up",
      script: 'printf "ERROR: Could not find config file\\nPlease run: oci setup config\\n" >&2; exit 1',
      error: new OciError("ERROR: Could not find config file Please run: oci setup config"),
    },
  ])("fails with $what", async ({ script, error }) => {
    await expect((await cli(script))("network", "nsg", "get")).rejects.toEqual(error);
  });

  it("is given up when it takes too long", async () => {
    const oci = await cli("exec sleep 20", 50);
    await expect(oci("network", "nsg", "get", "--nsg-id", "ocid1")).rejects.toEqual(
      new OciError("oci network nsg get gave no answer in 0.05 s"),
    );
  });

  it("may not be there", async () => {
    await expect(ociCli({ PATH: directory }, 20_000)("iam")).rejects.toEqual(
      new OciError("the oci CLI is not on PATH"),
    );
  });
});

describe("the tenancy", () => {
  const OURS = "ocid1.tenancy.oc1..aaaaours";
  const OTHER = "ocid1.tenancy.oc1..aaaaother";

  it("is that of the environment, else of the profile of the CLI's configuration", async () => {
    const file = join(directory, "config");
    await writeFile(file, `[DEFAULT]\ntenancy=${OTHER}\n[OURS]\nregion=eu-frankfurt-1\ntenancy = ${OURS}\n`);
    const env = { OCI_CLI_CONFIG_FILE: file };
    expect(await tenancyOf({ ...env, OCI_CLI_TENANCY: "ocid1.tenancy.oc1..aaaaset" })).toBe(
      "ocid1.tenancy.oc1..aaaaset",
    );
    expect(await tenancyOf({ ...env, OCI_CLI_PROFILE: "OURS" })).toBe(OURS);
    expect(await tenancyOf(env)).toBe(OTHER);
    expect(await tenancyOf({ ...env, OCI_CLI_PROFILE: "NONE" })).toBe(undefined);
    expect(await tenancyOf({ HOME: directory })).toBe(undefined);
  });
});
