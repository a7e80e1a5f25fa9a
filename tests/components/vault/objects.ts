import { examples } from "../../../project/placeholders.ts";
import type { Registration } from "../../../project/record.ts";
import { lastName } from "../../../project/registration.ts";
import { willingCloud } from "../../../sandbox/schedule/willing-cloud.ts";
import type { Request, State } from "../../../sandbox/world/state.ts";
import { openWorld } from "../../../sandbox/world/systems.ts";
import { type Changes, named, registrationsOf } from "../../harness.ts";
import { namespace } from "../../stack-objects.ts";

// What Vault, and all that is around it, is asked for, as a whole.

export const COMPARTMENT = examples["<compartment OCID>"];
export const THEIRS = {
  kmsVaultId: "ocid1.vault.oc1.eu-frankfurt-1.aaaatheirs.abcdefgh",
  kmsKeyId: "ocid1.key.oc1.eu-frankfurt-1.aaaatheirs.abcdefgi",
};
export const waitFor = { "pulumi.com/waitFor": "condition=Ready" };
export const awaited = { createSeconds: 300, updateSeconds: 300 };
export const requests = (cpu: string, memory: string) => ({ requests: { cpu, memory } });

const isProvider = ({ type }: Registration) => type.startsWith("pulumi:providers:");

/** The providers' resources whose names begin so, with their inputs. */
export const objects = (all: Registration[], start: string) =>
  Object.fromEntries(
    all
      .filter((it) => it.custom && !isProvider(it) && it.name.startsWith(start))
      .map(({ name, inputs }) => [name, inputs]),
  );

/** Options that are not the defaults, of each of these resources; the hook that all have is a law's. */
export const options = (all: Registration[], start: string) =>
  Object.fromEntries(
    all
      .filter((it) => it.custom && it.name.startsWith(start))
      .map(({ name, options: { provider: _, errorHooks: __, ...set } }) => [
        name,
        Object.fromEntries(
          Object.entries(set).filter(([, value]) => value !== undefined && String(value || "") !== ""),
        ),
      ]),
  );

const component = (all: Registration[], name: string) => {
  const found = all.find((it) => it.name === name && !it.custom);
  if (found === undefined) throw new Error(`no component is named ${name}`);
  return found;
};
export const waitsFor = (all: Registration[], name: string) => component(all, name).dependsOn.map(lastName);

export const withWorld = (stack: string, vault: Changes, state: State, more: Changes = {}) =>
  registrationsOf(stack, { vault, ...more }, {}, willingCloud(state));

/** A world with these in it, as somebody else has put them there. */
export function worldWith(state: State, ...requests: Request[]): State {
  const world = openWorld(state);
  for (const request of requests) world.put(request);
  return world.state;
}

export const release = (values: object) => ({
  chart: "vault",
  compat: "true",
  createNamespace: true,
  name: "vault",
  namespace: "vault",
  repositoryOpts: { repo: "https://helm.releases.hashicorp.com" },
  timeout: 1200,
  version: "0.34.1",
  values,
});

/** Whom Vault's container is. */
export const statefulSet = {
  securityContext: {
    container: {
      allowPrivilegeEscalation: false,
      capabilities: { drop: ["ALL"] },
      seccompProfile: { type: "RuntimeDefault" },
    },
  },
};
/** Its namespace, which outlives the stack. */
export const labelled = { "vault-server-namespace": namespace("vault", { enforce: "restricted" }) };

export const issuer = (name: string, spec: object) => ({
  apiVersion: "cert-manager.io/v1",
  kind: "ClusterIssuer",
  metadata: { name, annotations: waitFor },
  spec,
});
export const certificate = (name: string, namespace: string, spec: object) => ({
  apiVersion: "cert-manager.io/v1",
  kind: "Certificate",
  metadata: { name, namespace, annotations: waitFor },
  spec: { secretName: name, duration: "87600h0m0s", ...spec },
});

/** What Vault is asked for where access is managed. */
export const access = {
  "vault-access-mount": { path: "secret", type: "kv", options: { version: "2" } },
  "vault-access-backend": { type: "kubernetes", path: "kubernetes" },
  "vault-access-backend-config": { backend: "kubernetes", kubernetesHost: "https://kubernetes.default.svc" },
  "vault-access-policy": {
    name: "external-secrets",
    policy: 'path "secret/data/prod/cert-manager" { capabilities = ["read"] }\n',
  },
  "vault-access-role": {
    backend: "kubernetes",
    roleName: "external-secrets",
    boundServiceAccountNames: ["external-secrets"],
    boundServiceAccountNamespaces: ["external-secrets"],
    tokenPolicies: ["external-secrets"],
    tokenTtl: 600,
  },
};
export const audit = {
  "vault-access-audit": { type: "file", path: "file", options: { file_path: "/vault/audit/audit.log" } },
};
export const mountOptions = {
  retainOnDelete: true,
  ignoreChanges: [
    ...["type", "options", "allowedManagedKeys", "allowedResponseHeaders", "auditNonHmacRequestKeys"],
    ...["auditNonHmacResponseKeys", "defaultLeaseTtlSeconds", "delegatedAuthAccessors", "description"],
    ...["externalEntropyAccess", "identityTokenKey", "listingVisibility", "local", "maxLeaseTtlSeconds"],
    ...["passthroughRequestHeaders", "pluginVersion", "sealWrap"],
  ],
};
export const backendOptions = { retainOnDelete: true, ignoreChanges: ["description", "local", "tune"] };
export const configOptions = {
  retainOnDelete: true,
  ignoreChanges: [
    ...["disableIssValidation", "disableLocalCaJwt", "issuer", "kubernetesCaCert", "kubernetesHost", "pemKeys"],
    ...["tokenReviewerJwt", "useAnnotationsAsAliasMetadata"],
  ],
};
/** Options of what access is made of, where nothing is taken over. */
export const accessOptions = {
  "vault-access-mount": mountOptions,
  "vault-access-backend": backendOptions,
  "vault-access-backend-config": configOptions,
  "vault-access-policy": {},
  "vault-access-role": {},
};

export const store = (provider: object) => ({
  apiVersion: "external-secrets.io/v1",
  kind: "ClusterSecretStore",
  metadata: { name: "vault-backend", annotations: waitFor },
  spec: {
    conditions: [{ namespaces: ["cert-manager"] }],
    provider: { vault: { path: "secret", version: "v2", ...provider } },
  },
});
export const asAccount = {
  kubernetes: {
    mountPath: "kubernetes",
    role: "external-secrets",
    serviceAccountRef: { name: "external-secrets", namespace: "external-secrets" },
  },
};

export const sealBlock = (keyId: string, endpoint: string) => `
seal "ocikms" {
  key_id              = "${keyId}"
  crypto_endpoint     = "https://${endpoint}-crypto.kms.eu-frankfurt-1.oraclecloud.com"
  management_endpoint = "https://${endpoint}-management.kms.eu-frankfurt-1.oraclecloud.com"
  # The identity of the node that the pod runs on.
  auth_type_api_key   = "false"
}
`;
export const small = (seal = "") => `ui = true

listener "tcp" {
  address         = "[::]:8200"
  cluster_address = "[::]:8201"
  tls_disable = true
}

storage "raft" {
  path = "/vault/data"
}
${seal}`;
export const production = (seal: string) => `ui = true

listener "tcp" {
  address         = "[::]:8200"
  cluster_address = "[::]:8201"
  tls_cert_file = "/vault/userconfig/tls/tls.crt"
  tls_key_file = "/vault/userconfig/tls/tls.key"
}

storage "raft" {
  path = "/vault/data"
  retry_join {
    leader_api_addr     = "https://vault-0.vault-internal:8200"
    leader_ca_cert_file = "/vault/userconfig/tls/ca.crt"
  }
  retry_join {
    leader_api_addr     = "https://vault-1.vault-internal:8200"
    leader_ca_cert_file = "/vault/userconfig/tls/ca.crt"
  }
  retry_join {
    leader_api_addr     = "https://vault-2.vault-internal:8200"
    leader_ca_cert_file = "/vault/userconfig/tls/ca.crt"
  }
}

service_registration "kubernetes" {}
${seal}`;

export const smallValues = (config: string) => ({
  global: { tlsDisable: true },
  injector: { enabled: false },
  server: {
    auditStorage: { enabled: true, mountPath: "/vault/audit" },
    statefulSet,
    standalone: { enabled: true, config },
    resources: requests("100m", "256Mi"),
  },
});

/** A seal's key and the last eight characters of its vault's OCID, which its endpoints begin with. */
export const sealOf = (all: Registration[]) => {
  const config = JSON.stringify(named(all, "vault-server").inputs);
  const [, keyId = ""] = /key_id +=\s*\\"(ocid1\.key\.[^"\\]*)/.exec(config) ?? [];
  const endpoint = String(named(all, "vault-seal-key").inputs.managementEndpoint).slice("https://".length).slice(0, 8);
  return { keyId, endpoint };
};
