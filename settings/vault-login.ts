import * as v from "valibot";
import type { ExternalSecretsGiven } from "./external-secrets.ts";
import { innerPath, kubernetesName, kubernetesSubdomain, map, oneOf, says, section, text } from "./fields.ts";
import type { Rule } from "./rule.ts";

export const auth = says(
  "How External Secrets logs in to a Vault that cannot ask this cluster who somebody is.",
  section({
    method: says(
      "kubernetes: as its service account. token and appRole: with what a Secret holds; not with managed access.",
      v.optional(oneOf("kubernetes", "token", "appRole"), "kubernetes"),
    ),
    secret: says(
      "The Secret that holds the token, or the AppRole's secret id; in a namespace that the program does not make.",
      v.optional(
        map({
          name: says("Its name.", kubernetesSubdomain("the name of a Secret")),
          namespace: says("Its namespace.", kubernetesName("a namespace that exists")),
          key: says("The key in it.", text("a key in the Secret", /^[-._a-zA-Z0-9]+$/)),
        }),
      ),
      'required with method "token" and "appRole"',
    ),
    roleId: says(
      "The AppRole's role id, which is no secret.",
      v.optional(text("the role id of an AppRole", /^\S+$/)),
      'required with method "appRole"',
    ),
    path: says("Mount path of the AppRole auth backend.", v.optional(innerPath("a mount path")), "`approle`"),
  }),
);

type Auth = v.InferOutput<typeof auth>;

interface LoginGiven extends ExternalSecretsGiven {
  readonly vault?: {
    readonly auth: Auth;
    readonly role: string;
    readonly authPath: string;
    readonly install: boolean;
    readonly access?: string | undefined;
    readonly audiences?: readonly string[] | undefined;
  };
}

const METHOD = ["vault.install", "vault.auth.method"];

const unused = (field: "secret" | "roleId" | "path", users: readonly Auth["method"][]): Rule<LoginGiven> => ({
  key: `vault.auth.${field}`,
  reads: METHOD,
  when: ({ vault }) => vault?.auth[field] !== undefined && !users.includes(vault.auth.method),
  allowed: ({ vault }) => `nothing with method "${vault?.auth.method}"; remove it`,
});

export const loginRules: readonly Rule<LoginGiven>[] = [
  // First: what goes with a method that is refused is not asked for.
  {
    key: "vault.auth.method",
    reads: ["vault.install"],
    when: ({ vault }) =>
      vault !== undefined && (vault.install || vault.access === "managed") && vault.auth.method !== "kubernetes",
    allowed: '"kubernetes" with access "managed", which makes the role for it',
  },
  {
    key: "vault.auth.secret",
    reads: METHOD,
    when: ({ vault }) => vault !== undefined && vault.auth.method !== "kubernetes" && vault.auth.secret === undefined,
    allowed: ({ vault }) =>
      `a map with name, namespace and key of the Secret that holds ${vault?.auth.method === "token" ? "the token" : "the secret id"}`,
  },
  {
    key: "vault.auth.roleId",
    reads: METHOD,
    when: ({ vault }) => vault?.auth.method === "appRole" && vault.auth.roleId === undefined,
    allowed: 'the role id, required with method "appRole"',
  },
  unused("secret", ["token", "appRole"]),
  unused("roleId", ["appRole"]),
  unused("path", ["appRole"]),
  {
    key: "vault.audiences",
    reads: METHOD,
    when: ({ vault }) => vault?.audiences !== undefined && vault.auth.method !== "kubernetes",
    allowed: ({ vault }) =>
      `nothing with method "${vault?.auth.method}", which sends no service account's token; remove it`,
  },
  {
    key: "vault.auth.secret.namespace",
    reads: [...METHOD, "externalSecrets.install", "externalSecrets.namespace"],
    when: ({ vault, externalSecrets: { install, namespace } }) =>
      ["cert-manager", "istio-system", ...(install ? [namespace] : [])].includes(vault?.auth.secret?.namespace ?? ""),
    allowed: "a namespace that is there before the first up, such as default: the Secret must be in it by then",
  },
];

/** A key of a Secret. */
export type SecretKey = Readonly<NonNullable<Auth["secret"]>>;

/** How External Secrets logs in to Vault: https://external-secrets.io/latest/provider/hashicorp-vault/#authentication */
export type VaultLogin =
  | {
      /** As a service account that Vault asks the cluster about. */
      readonly method: "kubernetes";
      /** Mount path of the auth backend. */
      readonly path: string;
      readonly role: string;
      /** The service account that the role is bound to. */
      readonly serviceAccount: { readonly name: string; readonly namespace: string };
      /** Audiences of its token, the role's first. @default - the cluster's own, and a role that asks for none */
      readonly audiences?: readonly string[] | undefined;
    }
  | { readonly method: "token"; readonly secret: SecretKey }
  | {
      readonly method: "appRole";
      /** Mount path of the auth backend. */
      readonly path: string;
      readonly roleId: string;
      /** The secret id. */
      readonly secret: SecretKey;
    };

/** With what its method requires, by the rules about it. */
export function loginOf(
  { auth, authPath, role, audiences }: NonNullable<LoginGiven["vault"]>,
  { externalSecrets: { serviceAccount, namespace } }: ExternalSecretsGiven,
): VaultLogin {
  const { method, secret, roleId, path = "approle" } = auth;
  switch (method) {
    case "kubernetes":
      return { method, path: authPath, role, serviceAccount: { name: serviceAccount, namespace }, audiences };
    case "token":
      return { method, secret: secret as SecretKey };
    case "appRole":
      return { method, path, roleId: roleId as string, secret: secret as SecretKey };
  }
}
