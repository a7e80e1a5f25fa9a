// Inputs of which another value asks for another object: the engine replaces the resource.

const CUSTOM_RESOURCE = ["apiVersion", "kind", "metadata.name", "metadata.namespace"];

const immutable: Readonly<Record<string, readonly string[]>> = {
  // Another cluster behind the same provider is another home for everything in it.
  "pulumi:providers:kubernetes": ["clusterIdentifier", "context"],
  "kubernetes:core/v1:Namespace": ["metadata.name"],
  "kubernetes:helm.sh/v3:Release": ["name", "namespace"],
  "oci:Core/publicIp:PublicIp": ["compartmentId", "lifetime"],
  "oci:Core/networkSecurityGroup:NetworkSecurityGroup": ["vcnId"],
  "oci:Core/networkSecurityGroupSecurityRule:NetworkSecurityGroupSecurityRule": [
    "networkSecurityGroupId",
    "direction",
    "protocol",
    "source",
    "destination",
    "tcpOptions",
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

/** Paths of the immutable inputs of a type; none of a type that is not known here. */
export const immutableInputs = (type: string): readonly string[] =>
  immutable[type] ?? (/^kubernetes:[^:]*\.[^:]*\/[^:]+:/.test(type) ? CUSTOM_RESOURCE : []);
