import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { makeRunner, type Runner } from "./runner.ts";

// The job that has an identity: what its steps call, write and leave. The programs that they call are played.

let runner: Runner;
let place: string;
beforeAll(async () => {
  runner = await makeRunner();
});
beforeEach(async () => {
  place = await mkdtemp(join(runner.root, "job-"));
  await runner.calls();
});
afterAll(() => runner.close());

const run = (text: string, env: Record<string, string> = {}) =>
  runner.run("pulumi.yml", text, place, {
    RUNNER_TEMP: place,
    GITHUB_ENV: join(place, "env"),
    GITHUB_PATH: join(place, "path"),
    GITHUB_STEP_SUMMARY: join(place, "summary.md"),
    ...env,
  });
const text = (file: string) => readFile(join(place, file), "utf8");
const well = (output = "") => ({ status: 0, output });

it("refuses a stack that has another's environment of previews as its own", async () => {
  expect(await run("%-preview}", { STACK: "prod-preview" })).toEqual({
    status: 1,
    output:
      '::error::STACKS has "prod-preview", whose environment is that of the previews of "prod"; give the stack another name\n',
  });
});

it("has its oci CLI in a directory of its own", async () => {
  await runner.stub("pipx", 'echo "$PIPX_HOME" > pipx.txt');
  const homes = { PIPX_HOME: join(place, "pipx"), PIPX_BIN_DIR: join(place, "bin") };
  expect(await run("pipx install", homes)).toEqual(well());
  expect(await runner.calls()).toMatch(/^pipx install oci-cli==\d+\.\d+\.\d+\n$/);
  expect([await text("pipx.txt"), await text("path")]).toEqual([`${place}/pipx\n`, `${place}/bin\n`]);
});

describe("Vault in the cluster", () => {
  const env = { CLUSTER: "ocid1.cluster.oc1..a", VAULT_ADDR: "https://127.0.0.1:8200" };
  const pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
  beforeEach(async () => {
    await runner.stub("oci", "");
    await runner.stub("curl", "printenv CURL_CA_BUNDLE > ca.txt || echo no CA > ca.txt");
  });

  /** It is left running, and must have started before the next test counts calls. */
  const forwarded = () => expect.poll(() => runner.calls()).toContain("port-forward");

  it("is reached with the CA that the cluster has, which is one line for the steps that follow", async () => {
    // Also where what the cluster says has several lines, one of them a variable.
    const said = `${Buffer.from(pem).toString("base64").replace(/.{20}/g, "$&\n")}\n`;
    await writeFile(join(place, "secret"), said);
    await runner.stub("kubectl", `case "$*" in *port-forward*) ;; *) cat secret;; esac`);
    expect(await run("port-forward service", env)).toEqual(well());
    expect(await text("vault-ca.crt")).toBe(pem);
    expect(await text("env")).toBe(
      `VAULT_CACERT=${place}/vault-ca.crt\nVAULT_CA=${Buffer.from(pem).toString("base64")}\n`,
    );
    expect(await text("ca.txt")).toBe(`${place}/vault-ca.crt\n`);
    expect(await text("port-forward.pid")).toMatch(/^\d+\n$/);
    await forwarded();
  });

  it("is reached without one where there is none", async () => {
    await runner.stub("kubectl", `case "$*" in *port-forward*) ;; *) exit 1;; esac`);
    expect(await run("port-forward service", env)).toEqual(well());
    expect(await readdir(place)).not.toContain("env");
    expect(await text("ca.txt")).toBe("no CA\n");
    await forwarded();
  });
});

describe("pulumi", () => {
  const env = {
    ...{ COMMAND: "preview", STACK: "prod", BACKEND: "", EXPECT_NO_CHANGES: "false", PULUMI_HOME: "/temp/pulumi" },
    ...{ CLOUDFLARE_API_TOKEN: "c", AWS_ACCESS_KEY_ID: "", AWS_SECRET_ACCESS_KEY: "", PULUMI_CONFIG_PASSPHRASE: "p" },
  };
  const options = "--stack us/prod --non-interactive --color never --suppress-progress";
  beforeEach(() => runner.stub("pulumi", 'case "$1" in login) ;; *) echo "$1 was run"; echo "and warns" >&2;; esac'));

  it.each([
    { what: "previews", set: {}, calls: ["login --non-interactive", `preview ${options}`], files: ["pulumi.txt"] },
    {
      what: "looks for drift, in a bucket",
      set: { BACKEND: "s3://state?region=eu", EXPECT_NO_CHANGES: "true" },
      calls: ["login --non-interactive s3://state?region=eu", `preview ${options} --refresh --expect-no-changes`],
      files: ["pulumi.txt"],
    },
    {
      what: "deploys",
      set: { COMMAND: "up" },
      calls: [
        "login --non-interactive",
        `up ${options} --yes --skip-preview`,
        "stack output --stack us/prod --non-interactive",
      ],
      files: ["outputs.txt", "pulumi.txt"],
    },
  ])("$what", async ({ set, calls, files }) => {
    const command = "COMMAND" in set ? "up" : "preview";
    expect(await run("pulumi login", { ...env, STACK: "us/prod", ...set })).toEqual(
      well(`${command} was run\nand warns\n${command === "up" ? "and warns\n" : ""}`),
    );
    expect(await runner.calls()).toBe(calls.map((call) => `pulumi ${call}\n`).join(""));
    expect(await readdir(place)).toEqual(files);
    expect(await text("pulumi.txt")).toBe(`${command} was run\nand warns\n`);
  });

  it.each(["login", "preview"])("ends with the verdict of %s, and keeps what it said", async (fails) => {
    await runner.stub("pulumi", `echo "$1 was run"; [ "$1" != ${fails} ]`);
    expect((await run("pulumi login", env)).status).toBe(1);
    expect(await readdir(place)).toEqual(fails === "login" ? [] : ["pulumi.txt"]);
  });

  it("is up also where its outputs cannot be read again", async () => {
    await runner.stub("pulumi", 'echo "$1 was run"; [ "$1" != stack ]');
    expect((await run("pulumi login", { ...env, COMMAND: "up" })).status).toBe(0);
  });
});

it("keeps a preview for the comment, whatever is in it, and none where there was none", async () => {
  expect(await run("preview-$STACK.txt", { STACK: "prod" })).toEqual(well());
  expect(await readdir(place)).toEqual([]);
  // More than a variable of the environment could hold.
  const preview = `$(touch pwned) \`touch pwned\`\n${"x".repeat(200_000)}`;
  await writeFile(join(place, "pulumi.txt"), preview);
  expect(await run("preview-$STACK.txt", { STACK: "prod" })).toEqual(well());
  expect(await text("preview-prod.txt")).toBe(preview);
  expect((await readdir(place)).sort()).toEqual(["preview-prod.txt", "pulumi.txt"]);
});

it.each([
  { ROOTS: "", status: 0, args: "" },
  { ROOTS: "-----BEGIN CERTIFICATE-----", status: 1, args: " --roots RUNNER/roots.pem" },
])("verifies what is up, and ends with its verdict $status", async ({ ROOTS, status, args }) => {
  // The verdict is played; the tool itself has its own tests.
  await runner.stub("npm", `echo 'port 443  FAIL or not'; exit ${status}`);
  const output = "port 443  FAIL or not\n";
  expect(await run("verify -- --stack", { STACK: "live", ROOTS })).toEqual({ status, output });
  expect(await text("verify.txt")).toBe(output);
  expect(await runner.calls()).toBe(`npm run --silent verify -- --stack live${args.replace("RUNNER", place)}\n`);
  if (ROOTS) expect(await text("roots.pem")).toBe(`${ROOTS}\n`);
});

describe("the summary", () => {
  it("has what there is, and nothing in it ends its block", async () => {
    expect(await run("outputs verify")).toEqual(well());
    expect(await readdir(place)).toEqual([]);
    await writeFile(join(place, "pulumi.txt"), "```\n</code></pre><img src=x>\n");
    await writeFile(join(place, "verify.txt"), "@everyone & others\n");
    expect(await run("outputs verify")).toEqual(well());
    expect(await text("summary.md")).toBe(
      "\n#### pulumi\n\n<pre>\n```\n&lt;/code&gt;&lt;/pre&gt;&lt;img src=x&gt;\n\n</pre>\n" +
        "\n#### verify\n\n<pre>\n@everyone &amp; others\n\n</pre>\n",
    );
  });

  it("has room for it, and says what it leaves out", async () => {
    await writeFile(join(place, "pulumi.txt"), `first\n${"<é>".repeat(60_000)}\nlast\n`);
    expect(await run("outputs verify")).toEqual(well());
    const summary = await text("summary.md");
    expect(Buffer.byteLength(summary)).toBeLessThan(1 << 20);
    expect(summary).not.toContain("first");
    expect(summary).toMatch(/\nlast\n\n<\/pre>\n\nThese are the last 100,000 bytes; the log has all\.\n$/);
  });
});

describe("at its end", () => {
  it("revokes Vault's token, which no list of processes shows", async () => {
    await runner.stub("curl", "cat > sent.txt");
    const env = { VAULT_ADDR: "https://vault.example.com", VAULT_TOKEN: "hvs.secret", VAULT_CACERT: "" };
    expect(await run("revoke-self", env)).toEqual(well());
    const call =
      "curl --silent --show-error --fail --max-time 10 CA--request POST --header @- https://vault.example.com/v1/auth/token/revoke-self\n";
    expect(await runner.calls()).toBe(call.replace("CA", ""));
    expect(await text("sent.txt")).toBe("X-Vault-Token: hvs.secret\n");
    await run("revoke-self", { ...env, VAULT_CACERT: "/temp/vault-ca.crt" });
    expect(await runner.calls()).toBe(call.replace("CA", "--cacert /temp/vault-ca.crt "));
  });

  it("leaves neither what a login wrote nor what it started", async () => {
    for (const name of ["pulumi", "pipx", "bin"]) await mkdir(join(place, name));
    const files = ["kubeconfig", "vault-ca.crt", "port-forward.log", "pulumi.txt", "preview-prod.txt", "somebody's"];
    for (const name of files) await writeFile(join(place, name), "");
    const forward = spawn("sleep", ["60"]);
    const end = once(forward, "exit");
    await writeFile(join(place, "port-forward.pid"), `${forward.pid}\n`);
    expect(await run("rm -rf")).toEqual(well());
    expect(await end).toEqual([null, "SIGTERM"]);
    expect(await readdir(place)).toEqual(["somebody's"]);
    // A process that is gone already is no failure.
    await writeFile(join(place, "port-forward.pid"), "999999999\n");
    expect((await run("rm -rf")).status).toBe(0);
    expect(await readdir(place)).toEqual(["somebody's"]);
  });
});
