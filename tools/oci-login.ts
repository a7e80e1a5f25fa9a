import { createHash, generateKeyPairSync } from "node:crypto";
import { appendFile, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { type MakeCommand, main, printer, toolCommand } from "./lib/command.ts";
import { exchange, failureOf, type Question } from "./lib/http.ts";

// Logs a GitHub Actions job in to OCI: its OIDC token is exchanged for one that OCI takes for an hour, and which both
// the oci CLI and Pulumi's provider find in ~/.oci/config.
// https://docs.oracle.com/iaas/Content/Identity/api-getstarted/json_web_token_exchange.htm

/** Who the token is for; the trust in OCI's identity domain can ask for it. */
const AUDIENCE = "oci";

/** Seconds for one answer. */
const ANSWER_SECONDS = 30;

/** The first line of a configuration that a later run may write anew. */
const MARK = "# written by tools/oci-login.ts";

type Env = Readonly<Record<string, string | undefined>>;

/** @throws for a variable that is not set, or has several lines */
const neededIn = (env: Env) => (name: string) => {
  const value = env[name];
  // A second line would be one of its own in the files that are written from it.
  if (value?.includes("\n")) throw new Error(`${name} has more than one line; set it as docs/ci.md says`);
  if (value !== undefined && value !== "") return value;
  const why = name.startsWith("ACTIONS_")
    ? "the job needs the permission id-token: write"
    : "set it as docs/ci.md says";
  throw new Error(`${name} is not set; ${why}`);
};

/** A line of its own could be a command to the runner: https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands */
const onOneLine = (text: string) => text.replace(/[\r\n]+/g, " ");

/** The body of an answer, or an error with the service's own words; they hold no token. */
async function answerOf(service: string, url: string, question: Omit<Question, "timeoutMs">) {
  const answer = exchange(url, { ...question, timeoutMs: ANSWER_SECONDS * 1000 }, async (response) => ({
    status: response.statusCode ?? 0,
    body: await text(response),
  }));
  const { status, body } = await answer.catch((error) => {
    throw new Error(`${service} does not answer: ${failureOf(error)}`);
  });
  if (status < 200 || status > 299) throw new Error(`${service} answers ${status}: ${onOneLine(body.slice(0, 500))}`);
  return JSON.parse(body) as Record<string, unknown>;
}

/** Where the CLI looks, and what its configuration names. */
const placesIn = (home: string) => ({
  file: join(home, ".oci/config"),
  keyFile: join(home, ".oci/key.pem"),
  tokenFile: join(home, ".oci/token"),
});

/** Removes what a login wrote, also one that was cut off; what is not from here stays. */
async function logout(home: string, log: (line: string) => void): Promise<void> {
  const { file, keyFile, tokenFile } = placesIn(home);
  const there = await readFile(file, "utf8").catch(() => "");
  if (!there.startsWith(MARK)) return log("there is no login from here");
  // The mark last, so that another try finds what this one has left.
  for (const path of [keyFile, tokenFile, file]) await rm(path, { force: true });
  log("logged out of OCI: key, token and configuration are removed");
}

async function login(env: Env, home: string, log: (line: string) => void): Promise<void> {
  const needed = neededIn(env);
  const [domain, client, secret] = [needed("OCI_DOMAIN_URL"), needed("OCI_CLIENT_ID"), needed("OCI_CLIENT_SECRET")];
  const [tenancy, region, environment] = [needed("OCI_TENANCY"), needed("OCI_REGION"), needed("GITHUB_ENV")];
  const [url, bearer] = [needed("ACTIONS_ID_TOKEN_REQUEST_URL"), needed("ACTIONS_ID_TOKEN_REQUEST_TOKEN")];
  const { file, keyFile, tokenFile } = placesIn(home);
  const there = await readFile(file, "utf8").catch(() => MARK);
  if (!there.startsWith(MARK)) {
    throw new Error(`${file} is there already, and not from here; remove it, or the variable OCI_DOMAIN_URL to use it`);
  }

  const identity = await answerOf("GitHub's OIDC service", `${url}&audience=${AUDIENCE}`, {
    headers: { authorization: `bearer ${bearer}` },
  });
  // OCI signs the public half into its token: without the private one, which stays here, the token is worth nothing.
  const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const der = publicKey.export({ type: "spki", format: "der" });
  const { token } = await answerOf("OCI's token exchange", `${domain.replace(/\/+$/, "")}/oauth2/v1/token`, {
    method: "POST",
    headers: { authorization: `Basic ${Buffer.from(`${client}:${secret}`).toString("base64")}` },
    body: new URLSearchParams({
      grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
      requested_token_type: "urn:oci:token-type:oci-upst",
      public_key: der.toString("base64"),
      subject_token: String(identity.value),
      subject_token_type: "jwt",
    }),
  });
  if (typeof token !== "string" || !/^[\w.+/=-]+$/.test(token))
    throw new Error("OCI's token exchange answers without a token");
  log(`::add-mask::${token}`);

  const config = {
    fingerprint: createHash("md5")
      .update(der)
      .digest("hex")
      .replace(/..(?!$)/g, "$&:"),
    key_file: keyFile,
    security_token_file: tokenFile,
    tenancy,
    region,
  };
  const lines = Object.entries(config).map(([key, value]) => `${key}=${value}`);
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  // The mark first, by which a logout knows what is from here.
  for (const [path, text] of [
    [file, `${[MARK, "[DEFAULT]", ...lines].join("\n")}\n`],
    [keyFile, privateKey.export({ type: "pkcs8", format: "pem" })],
    [tokenFile, token],
  ] as const) {
    await writeFile(path, text, { mode: 0o600 });
  }
  // For the steps that follow: the CLI's variable, and those of Pulumi's provider.
  await appendFile(
    environment,
    `OCI_CLI_AUTH=security_token\nTF_VAR_auth=SecurityToken\nTF_VAR_config_file_profile=DEFAULT\nTF_VAR_region=${region}\n`,
  );
  log(`logged in to OCI, tenancy ${tenancy}, for an hour`);
}

/** Run by a workflow alone, as a file. */
export const ociLoginCommand =
  (env: Env = process.env, home = homedir()): MakeCommand =>
  (terminal) =>
    toolCommand("", "Logs a GitHub Actions job in to OCI, by the variables that docs/ci.md names.", terminal)
      .name("node tools/oci-login.ts")
      .option("--logout", "removes what a login wrote, for the next job on the same machine")
      .action((options: { logout?: boolean }) =>
        options.logout ? logout(home, printer(terminal)) : login(env, home, printer(terminal)),
      );

await main(import.meta, ociLoginCommand());
