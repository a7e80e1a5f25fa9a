import { createHash, createPublicKey } from "node:crypto";
import { mkdir, readdir, readFile, rmdir, stat, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { projectDirectory } from "../../project/stack.ts";
import { ociLoginCommand } from "../../tools/oci-login.ts";
import { makeRunner, type Runner } from "../workflows/runner.ts";
import { ran } from "./command.ts";

// As the workflow calls it, against stand-ins. Not run: GitHub's and OCI's own services.

describe("the login to OCI", () => {
  /** GitHub's OIDC service and OCI's token exchange, as their pages describe them. */
  let runner: Runner;
  let server: Server;
  let refuse = false;
  /** What the exchange answers in the place of a token: text with a refusal. */
  let exchanged: object | string | undefined;
  let asked: { path: string; authorization: string; form: URLSearchParams }[];

  beforeAll(async () => {
    runner = await makeRunner();
    server = createServer(async (request, response) => {
      let body = "";
      for await (const chunk of request) body += chunk;
      const { url: path = "", headers } = request;
      asked.push({ path, authorization: headers.authorization ?? "", form: new URLSearchParams(body) });
      response.statusCode = refuse && path.startsWith("/oauth2") ? 401 : 200;
      if (path.startsWith("/oauth2") && exchanged !== undefined) {
        response.statusCode = typeof exchanged === "string" ? 401 : 200;
        response.end(typeof exchanged === "string" ? exchanged : JSON.stringify(exchanged));
        return;
      }
      const answer = path.startsWith("/oauth2") ? { token: "the-session-token" } : { value: "the-github-token" };
      response.end(JSON.stringify(response.statusCode === 401 ? { error: "invalid_client" } : answer));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  });
  afterAll(async () => {
    await new Promise((resolve) => server.close(resolve));
    await runner.close();
  });

  function jobOf(home: string) {
    asked = [];
    const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    return {
      HOME: home,
      GITHUB_ENV: join(home, "env"),
      ACTIONS_ID_TOKEN_REQUEST_URL: `${origin}/id?api-version=2`,
      ACTIONS_ID_TOKEN_REQUEST_TOKEN: "the-job-token",
      OCI_DOMAIN_URL: `${origin}/`,
      OCI_CLIENT_ID: "client",
      OCI_CLIENT_SECRET: "the-client-secret",
      OCI_TENANCY: "ocid1.tenancy.oc1..aaaa",
      OCI_REGION: "eu-frankfurt-1",
    };
  }

  /** In this process. */
  const login = (home: string, env = {}) => ran(ociLoginCommand({ ...jobOf(home), ...env }, home));

  it("exchanges the job's token for one that both the CLI and Pulumi's provider find", async () => {
    const home = join(runner.root, "home");
    await mkdir(home);
    const { status, output } = await runner.run("pulumi.yml", "oci-login", projectDirectory, jobOf(home));
    expect({ status, output }).toEqual({ status: 0, output: expect.stringContaining("logged in to OCI") });
    expect(output).toContain("::add-mask::the-session-token\n");
    expect(output.replace("::add-mask::the-session-token", "")).not.toMatch(
      /the-(session|github|job)-token|the-client-secret/,
    );

    const [identity, exchange] = asked;
    expect(identity).toMatchObject({ path: "/id?api-version=2&audience=oci", authorization: "bearer the-job-token" });
    expect(exchange?.path).toBe("/oauth2/v1/token");
    expect(exchange?.authorization).toBe(`Basic ${Buffer.from("client:the-client-secret").toString("base64")}`);
    const { public_key: sent = "", ...form } = Object.fromEntries(exchange?.form ?? []);
    expect(form).toEqual({
      grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
      requested_token_type: "urn:oci:token-type:oci-upst",
      subject_token: "the-github-token",
      subject_token_type: "jwt",
    });

    const config = await readFile(join(home, ".oci/config"), "utf8");
    const values = Object.fromEntries(
      config.split("\n").flatMap((line) => (line.includes("=") ? [line.split("=")] : [])),
    );
    expect(config).toContain("\n[DEFAULT]\n");
    expect(values).toMatchObject({ tenancy: "ocid1.tenancy.oc1..aaaa", region: "eu-frankfurt-1" });
    expect(await readFile(values.security_token_file, "utf8")).toBe("the-session-token");
    const der = createPublicKey(await readFile(values.key_file, "utf8")).export({ type: "spki", format: "der" });
    expect(sent).toBe(der.toString("base64"));
    expect(values.fingerprint.replaceAll(":", "")).toBe(createHash("md5").update(der).digest("hex"));
    expect(values.fingerprint).toMatch(/^([0-9a-f]{2}:){15}[0-9a-f]{2}$/);
    for (const file of ["config", "key.pem", "token"])
      expect((await stat(join(home, ".oci", file))).mode & 0o077).toBe(0);
    expect(await readFile(join(home, "env"), "utf8")).toBe(
      "OCI_CLI_AUTH=security_token\nTF_VAR_auth=SecurityToken\nTF_VAR_config_file_profile=DEFAULT\nTF_VAR_region=eu-frankfurt-1\n",
    );
    // The same runner, the next job.
    expect((await login(home)).exitCode).toBe(0);

    // As the job's last steps call it: nothing is left, and a second time there is nothing to do.
    const place = { HOME: home };
    const out = await runner.run("pulumi.yml", "--logout", projectDirectory, place);
    expect(out).toEqual({ status: 0, output: "logged out of OCI: key, token and configuration are removed\n" });
    expect(await readdir(join(home, ".oci"))).toEqual([]);
    expect(await runner.run("pulumi.yml", "--logout", projectDirectory, place)).toMatchObject({ status: 0 });
  });

  it.each(["key.pem", "token"])("that is cut off before %s is written is removed too", async (file) => {
    const home = join(runner.root, `cut-off-${file}`);
    // A directory in its place lets the write of this file fail.
    await mkdir(join(home, ".oci", file), { recursive: true });
    expect((await login(home)).exitCode).toBe(1);
    await rmdir(join(home, ".oci", file));
    await ran(ociLoginCommand({}, home), "--logout");
    expect(await readdir(join(home, ".oci"))).toEqual([]);
  });

  it("writes no line that a variable or an answer has brought", async () => {
    const home = join(runner.root, "lines");
    await mkdir(home);
    const { exitCode, stderr } = await login(home, { OCI_REGION: "eu-frankfurt-1\nLD_PRELOAD=/tmp/x.so" });
    expect({ exitCode, stderr }).toEqual({
      exitCode: 1,
      stderr: "OCI_REGION has more than one line; set it as docs/ci.md says\n",
    });
    for (const [answer, said] of [
      [{ token: "x\n::add-path::/tmp" }, "OCI's token exchange answers without a token\n"],
      ["::warning::x\n::error::y", "OCI's token exchange answers 401: ::warning::x ::error::y\n"],
    ] as const) {
      exchanged = answer;
      const refused = await login(home).finally(() => {
        exchanged = undefined;
      });
      expect(refused).toMatchObject({ exitCode: 1, stdout: "", stderr: said });
    }
    expect(await readdir(home)).toEqual([]);
  });

  it("says what is wrong, in the service's words and without a secret", async () => {
    const home = join(runner.root, "refused");
    await mkdir(home);
    refuse = true;
    const { exitCode, stdout, stderr } = await login(home).finally(() => {
      refuse = false;
    });
    expect({ exitCode, stderr }).toEqual({
      exitCode: 1,
      stderr: 'OCI\'s token exchange answers 401: {"error":"invalid_client"}\n',
    });
    expect(stdout).not.toMatch(/the-(session|github|job)-token|the-client-secret/);
    await expect(stat(join(home, ".oci"))).rejects.toThrow("ENOENT");
  });

  it("leaves a configuration alone that is somebody's, logging out too", async () => {
    const home = join(runner.root, "mine");
    await mkdir(join(home, ".oci"), { recursive: true });
    await writeFile(join(home, ".oci/config"), "[DEFAULT]\nuser=me\n");
    const { exitCode, stderr } = await login(home);
    expect(exitCode).toBe(1);
    expect(stderr).toContain("is there already, and not from here");
    expect(asked).toEqual([]);
    await writeFile(join(home, ".oci/key.pem"), "mine");
    expect((await ran(ociLoginCommand({}, home), "--logout")).stdout).toBe("there is no login from here\n");
    expect((await readdir(join(home, ".oci"))).sort()).toEqual(["config", "key.pem"]);
  });
});
