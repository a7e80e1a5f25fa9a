import { readerPolicy } from "../../components/vault/access.ts";
import { demand } from "../../tools/vault/api.ts";
import { certificateOfThisMachine } from "../tools/vault-cluster.ts";
import { bao, places, status, tokenBy } from "./bootstrapping.ts";

const { cert: ca } = await certificateOfThisMachine();

/** OpenBao does not run in a pod here, so that it must be told what it finds there. */
export const backendConfig = (kubernetes_host: string) => ({
  kubernetes_host,
  kubernetes_ca_cert: ca,
  token_reviewer_jwt: tokenOf("vault", "vault"),
  disable_local_ca_jwt: true,
});

export type Request = [method: "GET" | "PUT" | "DELETE" | "LIST", path: string, body?: object];

/**
 * The requests of Terraform's Vault provider for the program's resources, in the order of a run, as its source has them:
 * https://github.com/hashicorp/terraform-provider-vault/blob/v5.8.0/vault
 */
const role = {
  bound_service_account_names: ["external-secrets"],
  bound_service_account_namespaces: ["external-secrets"],
  bound_service_account_namespace_selector: "",
  token_policies: ["external-secrets"],
  token_type: "default",
  token_ttl: 600,
};
const mounted = { description: "", local: false, seal_wrap: false, external_entropy_access: false };
const config = {
  kubernetes_host: "https://kubernetes.default.svc",
  disable_iss_validation: false,
  use_annotations_as_alias_metadata: false,
};
const policy = { policy: readerPolicy(places.mount, places.path) };
/** Of the secret. */
export const secretRequests: Request[] = [
  ["PUT", "secret/data/prod/cert-manager", { data: { "cf-api-token": "one" }, cas: 0, options: {} }],
  ["GET", "secret/data/prod/cert-manager"],
  ["GET", "secret/metadata/prod/cert-manager"],
  ["PUT", "secret/data/prod/cert-manager", { data: { "cf-api-token": "two" }, cas: 0, options: {} }],
];
const ttls = { options: null, default_lease_ttl: "0s", max_lease_ttl: "0s", force_no_cache: false };
/** Of what a Vault that the program manages needs, the reader's role and what it may read last. */
export const accessRequests: Request[] = [
  ["PUT", "sys/mounts/secret", { ...mounted, type: "kv", options: { version: "2" }, config: ttls }],
  ["GET", "sys/mounts/secret"],
  [
    "PUT",
    "sys/auth/kubernetes",
    { ...mounted, type: "kubernetes", options: null, config: { ...ttls, default_lease_ttl: "", max_lease_ttl: "" } },
  ],
  ["GET", "sys/mounts/auth/kubernetes"],
  ["GET", "sys/mounts/auth/kubernetes/tune"],
  ["PUT", "sys/policies/acl/external-secrets", policy],
  ["GET", "sys/policies/acl/external-secrets"],
  ["PUT", "auth/kubernetes/role/external-secrets", role],
  ["GET", "auth/kubernetes/role/external-secrets"],
  // What is changed alone, or was by somebody else.
  [
    "PUT",
    "auth/kubernetes/role/external-secrets",
    { ...role, token_ttl: 300, audience: "", token_no_default_policy: false, token_bound_cidrs: [] },
  ],
];
/** Of the backend's configuration, which OpenBao takes in a pod alone; `accessRequests` make the backend. */
export const configRequests: Request[] = [
  ["PUT", "auth/kubernetes/config", config],
  ["PUT", "auth/kubernetes/config", { ...config, kubernetes_ca_cert: "", pem_keys: "" }],
];

/** Where an attacker has a say: other values of what is written, and parameters that the provider never sends. */
const OTHERS: Record<string, unknown> = {
  kubernetes_host: "https://evil.example.org",
  kubernetes_ca_cert: ca,
  token_reviewer_jwt: "x",
  pem_keys: "x",
  issuer: "x",
  disable_local_ca_jwt: true,
  disable_iss_validation: true,
};
/** Each way to more than a run does, as a request and what it would be good for. */
export const escalations: [string, ...Request][] = [
  ...[
    'path "*" { capabilities = ["read"] }',
    `${policy.policy}path "secret/data/other" { capabilities = ["read"] }`,
    `${policy.policy} `,
    policy.policy.trim(),
    Buffer.from('path "*" { capabilities = ["read"] }').toString("base64"),
    Buffer.from(policy.policy).toString("base64"),
    [policy.policy],
    `${policy.policy},${'path "*" { capabilities = ["read"] }'}`,
  ].map((value): [string, ...Request] => [
    `the reader's policy is ${JSON.stringify(value)}`,
    "PUT",
    "sys/policies/acl/external-secrets",
    { policy: value },
  ]),
  [
    "the reader's policy has another name for its text",
    "PUT",
    "sys/policies/acl/external-secrets",
    { ...policy, rules: 'path "*" { capabilities = ["read"] }' },
  ],
  ["the reader's policy by its older path", "PUT", "sys/policy/external-secrets", policy],
  ...Object.entries({
    bound_service_account_names: [["*"], ["default"], ["external-secrets", "default"], "*", "external-secrets,default"],
    bound_service_account_namespaces: [["*"], ["evil"], ["external-secrets", "evil"], "*"],
    bound_service_account_namespace_selector: ["{}", '{"matchLabels":{"a":"b"}}'],
    token_policies: [
      ["oke-platform"],
      ["external-secrets", "oke-platform"],
      ["root"],
      "oke-platform",
      ["EXTERNAL-SECRETS"],
    ],
    policies: [["oke-platform"], ["external-secrets"]],
    audience: ["evil"],
    alias_name_source: ["serviceaccount_name"],
    token_type: ["batch", "service"],
    token_no_default_policy: [true],
    token_bound_cidrs: [["0.0.0.0/0"]],
    token_period: [3600, 0],
    token_max_ttl: [0],
    token_explicit_max_ttl: [0],
    token_num_uses: [0],
    TOKEN_POLICIES: [["oke-platform"]],
  }).flatMap(([parameter, values]) =>
    values.map((value): [string, ...Request] => [
      `the role has ${parameter} ${JSON.stringify(value)}`,
      "PUT",
      "auth/kubernetes/role/external-secrets",
      { ...role, [parameter]: value },
    ]),
  ),
  ...Object.entries(OTHERS).map(([parameter, value]): [string, ...Request] => [
    `the backend has another ${parameter}`,
    "PUT",
    "auth/kubernetes/config",
    { ...config, [parameter]: value },
  ]),
  ...["pki", "database", "plugin", "transit", "kv-v2"].map((type): [string, ...Request] => [
    `the mount is a ${type} engine`,
    "PUT",
    "sys/mounts/secret",
    { type },
  ]),
  ["the mount is of version 1", "PUT", "sys/mounts/secret", { type: "kv", options: { version: "1" } }],
  ["the mount is a plugin", "PUT", "sys/mounts/secret", { type: "kv", plugin_name: "evil" }],
  ...["userpass", "approle", "cert", "jwt", "plugin"].map((type): [string, ...Request] => [
    `the auth backend is ${type}`,
    "PUT",
    "sys/auth/kubernetes",
    { type },
  ]),
  ["the auth backend is a plugin", "PUT", "sys/auth/kubernetes", { type: "kubernetes", plugin_name: "evil" }],
  ["the backend is tuned", "PUT", "sys/auth/kubernetes/tune", { listing_visibility: "unauth" }],
  ["the mount is tuned", "PUT", "sys/mounts/secret/tune", { listing_visibility: "unauth" }],
  ["the audit log goes to a socket", "PUT", "sys/audit/file", { type: "socket", options: { address: "evil:9090" } }],
  [
    "the audit log is raw",
    "PUT",
    "sys/audit/file",
    { type: "file", options: { file_path: "/vault/audit/audit.log", log_raw: "true" } },
  ],
  [
    "the audit log is a file that is read elsewhere",
    "PUT",
    "sys/audit/file",
    { type: "file", options: { file_path: "/vault/data/x" } },
  ],
  ["the secret has no versions", "PUT", "secret/data/prod/cert-manager", { data: {}, options: { cas: 1 } }],
  ...[
    { policies: ["root"] },
    { renewable: true },
    { period: "768h" },
    { no_parent: true },
    { id: "known" },
    { meta: {} },
  ].map((more): [string, ...Request] => [
    `a token with ${JSON.stringify(more)}`,
    "PUT",
    "auth/token/create",
    { display_name: "terraform", ttl: "1200s", ...more },
  ]),
];
/** Of a destroy. */
export const removals: Request[] = [
  ["DELETE", "secret/metadata/prod/cert-manager"],
  ["DELETE", "auth/kubernetes/role/external-secrets"],
  ["DELETE", "sys/policies/acl/external-secrets"],
];
/** What no run does. */
export const never: Request[] = [
  ["GET", "secret/data/prod/other"],
  ["GET", "secret/data/prod"],
  ["PUT", "secret/data/prod/other", { data: {} }],
  ["PUT", "secret/data/prod/cert-manager/below", { data: {} }],
  ["LIST", "secret/metadata/prod"],
  ["PUT", "secret/metadata/prod/cert-manager", { max_versions: 1 }],
  ["DELETE", "secret/data/prod/cert-manager"],
  ["PUT", "secret/destroy/prod/cert-manager", { versions: [1] }],
  ["GET", "secret/config"],
  ["GET", "sys/mounts"],
  ["PUT", "sys/mounts/another", { type: "kv" }],
  ["DELETE", "sys/mounts/secret"],
  ["PUT", "sys/remount", { from: "secret", to: "elsewhere" }],
  ["GET", "sys/auth"],
  ["PUT", "sys/auth/another", { type: "userpass" }],
  ["DELETE", "sys/auth/kubernetes"],
  ["PUT", "auth/kubernetes/role/another", role],
  ["LIST", "auth/kubernetes/role"],
  ["LIST", "sys/policies/acl"],
  ["GET", "sys/policies/acl/default"],
  ["PUT", "sys/policies/acl/oke-platform", { policy: 'path "*" { capabilities = ["sudo"] }' }],
  ["PUT", "sys/policies/acl/default", { policy: "" }],
  ["PUT", "auth/token/create-orphan", { policies: ["oke-platform"] }],
  ["LIST", "auth/token/accessors"],
  ["PUT", "auth/token/revoke", { token: "x" }],
  ["PUT", "sys/seal", {}],
  ["PUT", "sys/rotate", {}],
  ["PUT", "identity/entity", { name: "x" }],
  ["GET", "cubbyhole/x"],
  ["PUT", "sys/audit/another", { type: "file", options: { file_path: "/vault/audit/another.log" } }],
];

/** Those that are refused, by method and path. */
export async function refusals(requests: Request[], token: string): Promise<string[]> {
  const refused: string[] = [];
  for (const [method, path, body] of requests) {
    if ((await status(method, path, token, body)) === 403) refused.push(`${method} ${path}`);
  }
  return refused;
}

/** Those that fail, with why. */
export async function failures(requests: Request[], token: string): Promise<string[]> {
  const failed: string[] = [];
  for (const [method, path, body] of requests) {
    const answer = await bao.api.ask(method, path, { token, body });
    if (answer.status > 299) failed.push(`${method} ${path}: ${answer.status} ${answer.errors}`);
  }
  return failed;
}

/** As {@link refusals} names them. */
export const names = (requests: Request[]) => requests.map(([method, path]) => `${method} ${path}`);

/** The child token with which the provider works. */
export async function childOf(token: string): Promise<string> {
  await demand(bao.api, "lookup", "GET", "auth/token/lookup-self", { token });
  const times = { ttl: "1200s", explicit_max_ttl: "1200s", renewable: false };
  const body = { display_name: "terraform", num_uses: 0, ...times, type: "", entity_alias: "" };
  return tokenBy(token, "auth/token/create", body);
}

/** A service account's token as far as Vault looks into it itself. */
export function tokenOf(namespace: string, name: string): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const subject = `system:serviceaccount:${namespace}:${name}`;
  const claims = {
    iss: "kubernetes/serviceaccount",
    sub: subject,
    "kubernetes.io": { namespace, serviceaccount: { name, uid: "1" } },
  };
  return `${part({ alg: "RS256" })}.${part({ ...claims, nbf: 1_600_000_000, iat: 1_600_000_000, exp: 4_102_444_800 })}.${Buffer.from("signature").toString("base64url")}`;
}
