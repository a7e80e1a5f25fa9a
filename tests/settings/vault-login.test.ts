import { describe, expect, it } from "vitest";
import {
  aLabel,
  aSubdomain,
  installed,
  itJudges,
  itRefuses,
  LONGEST_LABEL,
  type Raw,
  settingsOf,
  there,
} from "./stacks.ts";

const secret = { name: "vault-login", namespace: "default", key: "secret-id" };
const byToken = (changes: Raw = {}) => there({ auth: { method: "token", secret: { ...secret, ...changes } } });
const managed = '"kubernetes" with access "managed", which makes the role for it';
const early = "a namespace that is there before the first up, such as default: the Secret must be in it by then";
const unused = (field: string, value: unknown, method: string) =>
  `vault.auth.${field} is ${JSON.stringify(value)}; allowed: nothing with method "${method}"; remove it`;

describe("the login to Vault", () => {
  itJudges([
    ["vault.auth", "a map with keys of method, secret, roleId, path", ["token", [1]], [undefined, {}]],
    ["vault.auth.method", '"kubernetes" or "token" or "appRole"', ["approle"], [undefined, "kubernetes"]],
  ]);
  itJudges(
    [
      ["vault.auth.secret", "a map with keys of name, namespace, key", ["s3same", ["s3same"]], [secret]],
      [
        "vault.auth.secret.name",
        `the name of a Secret: ${aSubdomain}`,
        ["A", "a.", "a".repeat(254), undefined],
        ["a.b", "a".repeat(253)],
      ],
      ["vault.auth.secret.namespace", `a namespace that exists: ${aLabel}`, ["b.c", undefined], [LONGEST_LABEL]],
      ["vault.auth.secret.key", "a key in the Secret", ["/", undefined], ["A_b-c.1"]],
      ["vault.auth.roleId", "the role id of an AppRole", ["two words"], ["3e5f-7a"]],
      [
        "vault.auth.path",
        "a mount path without slashes at its ends, and without spaces, control characters, *, +, ?, #, %, quotes, backslashes, braces, and parts that are . or ..",
        ["/a"],
        [undefined, "a/b"],
      ],
    ],
    there({ auth: { method: "appRole", roleId: "role", secret } }),
  );

  itRefuses([
    [
      "only the method when the rest would be judged by a wrong one",
      there({ access: "managed", auth: { method: "approle", roleId: "role", path: "approle" } }),
      'vault.auth.method is "approle"; allowed: "kubernetes" or "token" or "appRole"',
    ],
    [
      "a token without a Secret",
      there({ auth: { method: "token" } }),
      "vault.auth.secret is missing; allowed: a map with name, namespace and key of the Secret that holds the token",
    ],
    [
      "an AppRole without anything",
      there({ auth: { method: "appRole" } }),
      'vault.auth.roleId is missing; allowed: the role id, required with method "appRole"',
      "vault.auth.secret is missing; allowed: a map with name, namespace and key of the Secret that holds the secret id",
    ],
    [
      "a service account with what others need",
      there({ auth: { secret, roleId: "role", path: "approle" } }),
      unused("path", "approle", "kubernetes"),
      unused("roleId", "role", "kubernetes"),
      unused("secret", secret, "kubernetes"),
    ],
    [
      "only the Secret that a service account has no use for, not its namespace",
      there({ auth: { secret: { ...secret, namespace: "cert-manager" } } }),
      unused("secret", { ...secret, namespace: "cert-manager" }, "kubernetes"),
    ],
    [
      "a token with what an AppRole needs",
      there({ auth: { method: "token", secret, roleId: "role", path: "approle" } }),
      unused("path", "approle", "token"),
      unused("roleId", "role", "token"),
    ],
    ...["cert-manager", "istio-system", "external-secrets"].map((namespace): [string, Raw, string] => [
      `a Secret in ${namespace}, which the program makes`,
      byToken({ namespace }),
      `vault.auth.secret.namespace is "${namespace}"; allowed: ${early}`,
    ]),
    [
      "a Secret in the namespace that External Secrets is installed in",
      { externalSecrets: { namespace: "eso" }, ...byToken({ namespace: "eso" }) },
      `vault.auth.secret.namespace is "eso"; allowed: ${early}`,
    ],
    [
      "only whether External Secrets is installed when the namespace would be judged by a wrong answer",
      { externalSecrets: { install: "no" }, ...byToken({ namespace: "external-secrets" }) },
      'externalSecrets.install is "no"; allowed: true or false; write false, without quotes',
    ],
    [
      "only External Secrets' namespace when the Secret's would be judged by a wrong one",
      { externalSecrets: { namespace: "A" }, ...byToken({ namespace: "cert-manager" }) },
      `externalSecrets.namespace is "A"; allowed: a namespace: ${aLabel}`,
    ],
    [
      "another login than the one that managed access is made for",
      there({ access: "managed", auth: { method: "token", secret } }),
      `vault.auth.method is "token"; allowed: ${managed}`,
    ],
    [
      "another login to an installed Vault",
      installed({ auth: { method: "token", secret } }),
      `vault.auth.method is "token"; allowed: ${managed}`,
    ],
    // What the other login needs is of no use either.
    [
      "only the method of managed access, not what is missing for it",
      there({ access: "managed", auth: { method: "appRole" } }),
      `vault.auth.method is "appRole"; allowed: ${managed}`,
    ],
  ]);

  it.each<[what: string, changes: Raw, login: object]>([
    [
      "a service account",
      { ...there({ authPath: "k8s", role: "reader" }), externalSecrets: { namespace: "eso", serviceAccount: "it" } },
      { method: "kubernetes", path: "k8s", role: "reader", serviceAccount: { name: "it", namespace: "eso" } },
    ],
    ["a token", byToken(), { method: "token", secret }],
    [
      "a token in the namespace of External Secrets that is there",
      { externalSecrets: { install: false }, ...byToken({ namespace: "external-secrets" }) },
      { method: "token", secret: { ...secret, namespace: "external-secrets" } },
    ],
    [
      "an AppRole",
      there({ auth: { method: "appRole", roleId: "role", secret } }),
      { method: "appRole", roleId: "role", path: "approle", secret },
    ],
    [
      "an AppRole elsewhere",
      there({ auth: { method: "appRole", roleId: "role", path: "a/b", secret } }),
      { method: "appRole", roleId: "role", path: "a/b", secret },
    ],
  ])("is made of %s", (_what, changes, login) => {
    expect(settingsOf(changes).vault?.login).toEqual(login);
  });
});
