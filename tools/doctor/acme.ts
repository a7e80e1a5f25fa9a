import { type IssuerSettings, letsEncrypt } from "../../settings/acme.ts";
import { type Outcome, ok, problem, type Verdict, warning } from "../lib/checks.ts";
import { ask, failureOf } from "../lib/http.ts";
import type { Examination } from "./examination.ts";

/** Examines whether an ACME server takes the account as the stack asks for it; Let's Encrypt's take every one. */
export async function examineAcme({ settings: { issuer }, limits, run }: Examination): Promise<Outcome[]> {
  if (issuer.kind !== "acme" || Object.values<string>(letsEncrypt).includes(issuer.directory)) return [];
  return [await run("certificates: ACME server", [], () => judgeServer(issuer, limits.callMs))];
}

/** What its directory says of accounts: https://www.rfc-editor.org/rfc/rfc8555#section-7.1.1 */
interface Directory {
  readonly newAccount?: string;
  readonly meta?: { readonly externalAccountRequired?: boolean };
}

async function judgeServer(
  { directory, caBundle, eab }: Extract<IssuerSettings, { kind: "acme" }>,
  timeoutMs: number,
): Promise<Verdict> {
  const unknown = (why: string) =>
    warning(
      `${directory}: ${why}`,
      "correct acme.server, or see whether the cluster reaches what this machine does not",
    );
  try {
    const { status, body } = await ask<Directory>(directory, { timeoutMs, ca: caBundle });
    if (status !== 200 || typeof body?.newAccount !== "string")
      return unknown(`it answers ${status}, and no ACME directory`);
    if (eab !== undefined) return ok("is to bind the account to acme.eab.keyId");
    if (body.meta?.externalAccountRequired !== true) return ok("takes every account");
    return problem(
      `${directory} takes only accounts that are bound, and acme.eab is not set`,
      "set acme.eab.keyId and the secret acmeEabHmacKey to what the server's maker gives out",
    );
  } catch (error) {
    return unknown(failureOf(error));
  }
}
