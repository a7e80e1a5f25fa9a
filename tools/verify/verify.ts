import { X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { isIP, isIPv6 } from "node:net";
import { Option } from "commander";
import { projectDirectory } from "../../project/stack.ts";
import { runner } from "../lib/checks.ts";
import { type MakeCommand, main, printer, stackOption, toolCommand, wordsOf } from "../lib/command.ts";
import type { Endpoint } from "../lib/http.ts";
import { kubeConfigOf, settingsOf } from "../stack.ts";
import type { VerifyOptions } from "./asked.ts";
import { type Check, checksOf, checksText } from "./check.ts";
import { checkCluster } from "./cluster.ts";
import { checkHosts } from "./visitor.ts";

// Proves a deploy by what a user meets. Nothing is changed anywhere.

/**
 * Checks what is up for a stack, from the token in the cluster to the answer of each service.
 *
 * A check whose foundation failed is skipped and says so; all others run.
 */
export async function verify(options: VerifyOptions): Promise<Check[]> {
  const { timeoutMs = 5000, checkMs = 60_000 } = options;
  // What cannot be asked is not proven.
  const asked = { ...options, timeoutMs, run: runner(checkMs, "problem") };
  const cluster = await checkCluster(asked);
  return checksOf([...cluster.outcomes, ...(await checkHosts(asked, cluster))]);
}

/** @throws when the value is none, naming the option */
function endpointOf(option: string, value: string, port: number): Endpoint {
  const [, six, four, own = port] =
    /^(?:\[([^\]]+)\]|([^:]+))(?::(\d{1,5}))?$/.exec(isIPv6(value) ? `[${value}]` : value) ?? [];
  const ip = six ?? four ?? "";
  if (isIP(ip) === 0 || Number(own) < 1 || Number(own) > 65_535)
    throw new Error(
      `--${option} is "${value}"; allowed: <ip> or <ip>:<port>, such as 192.0.2.1:8443 or [2001:db8::1]:8443`,
    );
  return { ip, port: Number(own) };
}

/** @throws when the file holds no certificate, or something that is none */
async function rootsIn(file: string): Promise<string> {
  const pem = await readFile(file, "utf8");
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  try {
    for (const block of blocks) new X509Certificate(block);
  } catch (error) {
    throw new Error(`--roots ${file} holds a block that is no certificate: ${wordsOf(error)}`);
  }
  if (blocks.length === 0) throw new Error(`--roots ${file} holds no -----BEGIN CERTIFICATE----- block; allowed: PEM`);
  return blocks.join("\n");
}

/** Where a visitor asks, by options of the command line. */
export interface VisitFlags {
  readonly resolver?: string;
  readonly address?: string;
  readonly httpAddress?: string;
  readonly roots?: string;
}

/** The options of {@link VisitFlags}. */
export const visitOptions = () => [
  new Option("--resolver <ip[:port]>", "DNS server to ask instead of the system's"),
  new Option("--address <ip[:port]>", "where to ask for HTTPS instead of the load balancer; port 443 by default"),
  new Option("--http-address <ip[:port]>", "where to ask for HTTP; port 80 of the same by default"),
  new Option("--roots <file>", "PEM file of the roots to trust instead of Node's own"),
];

/** @throws when an option's value is none, naming the option */
export async function visitOf({ resolver, address, httpAddress, roots }: VisitFlags) {
  if (resolver !== undefined) endpointOf("resolver", resolver, 53);
  return {
    resolver,
    https: address === undefined ? undefined : endpointOf("address", address, 443),
    http: httpAddress === undefined ? undefined : endpointOf("http-address", httpAddress, 80),
    roots: roots === undefined ? undefined : await rootsIn(roots),
  };
}

interface Flags extends VisitFlags {
  readonly stack: string;
  readonly json?: boolean;
}

/**
 * `npm run verify`
 *
 * @param directory where `Pulumi.<stack>.yaml` is
 */
export const verifyCommand =
  (directory = projectDirectory): MakeCommand =>
  (terminal) => {
    const command = toolCommand(
      "verify",
      "Proves a deploy by what a user meets, from the token in the cluster to the answer of each service. It changes\n" +
        "nothing, and ends with 1 when a check fails.",
      terminal,
    )
      .addOption(stackOption())
      .option("--json", 'prints the checks as JSON: [{ "name", "host"?, "status", "reason", "action"? }]');
    for (const option of visitOptions()) command.addOption(option);
    return command.action(async ({ stack, json, ...flags }: Flags) => {
      const visit = await visitOf(flags);
      const settings = await settingsOf(stack, directory);
      const kubeConfig = kubeConfigOf(settings.cluster);
      const checks = await verify({ settings, kubeConfig, ...visit });
      printer(terminal)(json ? JSON.stringify(checks, null, 2) : checksText(checks));
      if (checks.some(({ status }) => status === "FAIL")) terminal.exitCode = 1;
    });
  };

await main(import.meta, verifyCommand());
