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
 * https://github.com/hashicorp/terraform-provider-vault/blob/31447510c5c6/vault
 */
const role = {
  bound_service_account_names: ["external-secrets"],
  bound_service_account_namespaces: ["external-secrets"],
  token_policies: ["external-secrets"],
  token_ttl: 600,
};
/** Of the secret. */
export const secretRequests: Request[] = [
  ["PUT", "secret/data/prod/cert-manager", { data: { "cf-api-token": "one" } }],
  ["GET", "secret/data/prod/cert-manager"],
  ["GET", "secret/metadata/prod/cert-manager"],
  ["PUT", "secret/data/prod/cert-manager", { data: { "cf-api-token": "two" } }],
];
/** Of what a Vault that the program manages needs. */
export const accessRequests: Request[] = [
  ["PUT", "sys/mounts/secret", { type: "kv", options: { version: "2" } }],
  ["GET", "sys/mounts/secret"],
  ["PUT", "sys/auth/kubernetes", { type: "kubernetes" }],
  ["GET", "sys/mounts/auth/kubernetes"],
  ["GET", "sys/mounts/auth/kubernetes/tune"],
  ["PUT", "auth/kubernetes/config", backendConfig("http://127.0.0.1:1")],
  ["GET", "auth/kubernetes/config"],
  ["PUT", "auth/kubernetes/config", backendConfig("http://127.0.0.1:2")],
  ["PUT", "sys/policies/acl/external-secrets", { policy: readerPolicy(places.mount, places.path) }],
  ["GET", "sys/policies/acl/external-secrets"],
  ["PUT", "auth/kubernetes/role/external-secrets", role],
  ["GET", "auth/kubernetes/role/external-secrets"],
  ["PUT", "auth/kubernetes/role/external-secrets", { ...role, token_ttl: 300 }],
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
  const body = { display_name: "terraform", ttl: "1200s", explicit_max_ttl: "1200s", renewable: false };
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
