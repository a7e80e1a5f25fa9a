// Inputs of which another value asks for another object, by resource type: what a provider replaces, and what a diff
// tells of as replaced.

/** Of every custom resource. */
const customResource = ["apiVersion", "kind", "metadata.name", "metadata.namespace"];

const byType: Record<string, readonly string[]> = {
  // Another cluster behind the same provider is another home for everything in it.
  "pulumi:providers:kubernetes": ["clusterIdentifier", "context"],
  "kubernetes:core/v1:Namespace": ["metadata.name"],
  "kubernetes:core/v1:Secret": ["metadata.name", "metadata.namespace"],
  "kubernetes:helm.sh/v3:Release": ["name", "namespace"],
  "oci:Core/publicIp:PublicIp": ["compartmentId", "lifetime"],
  "oci:Core/networkSecurityGroup:NetworkSecurityGroup": ["vcnId"],
  "oci:Core/networkSecurityGroupSecurityRule:NetworkSecurityGroupSecurityRule": [
    ...["networkSecurityGroupId", "direction", "protocol", "source", "destination", "tcpOptions"],
  ],
  "oci:Kms/vault:Vault": ["vaultType"],
  "oci:Kms/key:Key": ["managementEndpoint", "keyShape", "protectionMode"],
  "cloudflare:index/dnsRecord:DnsRecord": ["zoneId", "name", "type"],
  "vault:kv/secretV2:SecretV2": ["mount", "name"],
  "vault:index/mount:Mount": ["path"],
  "vault:index/authBackend:AuthBackend": ["path", "type"],
  "vault:kubernetes/authBackendConfig:AuthBackendConfig": ["backend"],
  "vault:kubernetes/authBackendRole:AuthBackendRole": ["backend", "roleName"],
  "vault:index/policy:Policy": ["name"],
  "vault:index/audit:Audit": ["path", "type", "options"],
};

/** Whether a type is a custom resource's: its API group has a dot. */
export const isCustomResource = (type: string) => /^kubernetes:[^:]*\.[^:]*\/[^:]+:/.test(type);

/** The paths of a type's inputs that cannot change without another object; none for a type that is not known. */
export const immutableInputs = (type: string): readonly string[] =>
  byType[type] ?? (isCustomResource(type) ? customResource : []);
