import fc from "fast-check";
import { beforeAll, expect, it } from "vitest";
import { chartOf } from "../../components/release.ts";
import type { Registration } from "../../project/record.ts";
import { plain } from "../../project/registration.ts";
import { projectDirectory, stacksIn } from "../../project/stack.ts";
import { type Changes, registrationsOf } from "../harness.ts";
import { schemaOf } from "./values-schemas.ts";

// What a plan accepts, the charts' own schemas accept: cert-manager's and Vault's from their makers' modules, the others'
// where E2E_CHARTS_MIRROR has them.

/** A failure prints its seed: VALUES_SEED=<seed> runs it again. */
const seed = Number(process.env.VALUES_SEED ?? Date.now() % 2 ** 31);
const RUNS = 50;

/** What the schemas of the charts refuse of what the program sends to them; and which charts were judged. */
async function judged(registrations: readonly Registration[]): Promise<{ refused: string[]; charts: string[] }> {
  const releases = registrations.filter(({ type }) => type === "kubernetes:helm.sh/v3:Release");
  const refused: string[] = [];
  const charts: string[] = [];
  for (const { inputs } of releases) {
    const { chart, version } = chartOf(inputs);
    const validate = await schemaOf(chart, version);
    if (validate === undefined) continue;
    charts.push(chart);
    // As Helm gets them: what is marked as a secret is a value like any other.
    validate(JSON.parse(JSON.stringify(plain(inputs.values ?? {}))));
    for (const { instancePath, message, params } of validate.errors ?? [])
      refused.push(`${chart} ${version} ${instancePath}: ${message} ${JSON.stringify(params)}`);
  }
  return { refused, charts };
}

const some = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
const ocid = (type: string) => `ocid1.${type}.oc1.eu-frankfurt-1.aaaageneratedone`;

/** Values that operators give, as far as their charts take them. */
const pods = fc.record(
  {
    nodeSelector: fc.constant({ pool: "platform" }),
    tolerations: fc.constant([{ key: "dedicated", operator: "Exists", effect: "NoSchedule" }]),
    priorityClassName: fc.constant("system-cluster-critical"),
  },
  { requiredKeys: [] },
);
const certManagerValues = fc.record(
  {
    nodeSelector: fc.constant({ pool: "platform" }),
    podAnnotations: fc.constant({ "example.com/team": "platform" }),
    dns01RecursiveNameservers: fc.constant("1.1.1.1:53,8.8.8.8:53"),
    dns01RecursiveNameserversOnly: fc.boolean(),
    extraArgs: fc.constant(["--v=2"]),
    replicaCount: fc.integer({ min: 1, max: 5 }),
    webhook: fc.record({ replicaCount: fc.integer({ min: 1, max: 5 }) }),
    prometheus: fc.constant({ enabled: true, servicemonitor: { enabled: true } }),
    image: fc.constant({ repository: "registry.example.com/cert-manager-controller" }),
    crds: fc.constant({ enabled: true, keep: true }),
  },
  { requiredKeys: [] },
);
const vaultValues = fc.record(
  {
    injector: fc.constant({ enabled: true }),
    ui: fc.constant({ enabled: true }),
    server: fc.record(
      {
        image: fc.constant({ repository: "registry.example.com/vault", tag: "2.0.4" }),
        dataStorage: fc.constant({ size: "50Gi", storageClass: "oci-bv" }),
        volumes: fc.constant([{ name: "plugins", emptyDir: {} }]),
        volumeMounts: fc.constant([{ name: "plugins", mountPath: "/vault/plugins" }]),
        extraEnvironmentVars: fc.constant({ VAULT_LOG_LEVEL: "debug" }),
        annotations: fc.constantFrom<unknown>({ "example.com/team": "platform" }, "example.com/team: platform"),
        resources: fc.constant({ limits: { memory: "1Gi" } }),
      },
      { requiredKeys: [] },
    ),
  },
  { requiredKeys: [] },
);
const gatewayValues = fc.record(
  {
    podAnnotations: fc.constant({ "proxy.istio.io/config": "gatewayTopology:\n  numTrustedProxies: 2\n" }),
    service: fc.record(
      {
        ports: fc.constant([{ name: "status-port", port: 15_021, targetPort: 15_021, protocol: "TCP" }]),
        annotations: fc.constant({ "oci.oraclecloud.com/loadbalancer-policy": "LEAST_CONNECTIONS" }),
      },
      { requiredKeys: [] },
    ),
    imagePullPolicy: fc.constant("IfNotPresent"),
  },
  { requiredKeys: [] },
);

const loadBalancer = fc.record({
  compartmentId: fc.constant(ocid("compartment")),
  vcnId: fc.constant(ocid("vcn")),
  nodeNsgIds: fc.constant([ocid("networksecuritygroup")]),
  rules: fc.constantFrom("SL-All", "NSG", "None"),
  proxyProtocol: some(fc.constantFrom(1, 2)),
  externalTrafficPolicy: fc.constantFrom("Cluster", "Local"),
  internal: fc.boolean(),
  maxMbps: fc.integer({ min: 10, max: 8192 }),
  allowedCidrs: fc.constantFrom(["0.0.0.0/0"], ["10.0.0.0/8", "192.0.2.0/24"]),
});

const stacks: fc.Arbitrary<Changes> = fc.record({
  size: fc.constantFrom("small", "production"),
  loadBalancer,
  // Its keys are another variant's: an installed Vault says none of the one that is there.
  vault: fc.constantFrom<object>(
    { address: "http://127.0.0.1:8200" },
    { install: true },
    { install: true, initialized: true },
  ),
  charts: fc.record({
    certManager: fc.record({ values: some(certManagerValues) }),
    vault: fc.record({ values: some(vaultValues) }),
    istio: fc.record({ values: some(fc.record({ gateway: some(gatewayValues), istiod: some(pods) })) }),
  }),
});

beforeAll(() => console.info(`generated settings: VALUES_SEED=${seed}`));

it.each(await stacksIn(projectDirectory))("the values of %s fit the charts' schemas", async (stack) => {
  const { refused, charts } = await judged(await registrationsOf(stack));
  expect(refused).toEqual([]);
  expect(charts).toContain("cert-manager");
});

it(`the values of ${RUNS} generated settings fit the charts' schemas`, async () => {
  const seen = new Set<string>();
  await fc.assert(
    fc.asyncProperty(stacks, async (changes) => {
      const { refused, charts } = await judged(await registrationsOf("prod", changes));
      for (const chart of charts) seen.add(chart);
      expect(refused).toEqual([]);
    }),
    { seed, numRuns: RUNS, endOnFailure: true },
  );
  expect([...seen]).toEqual(expect.arrayContaining(["cert-manager", "vault"]));
});
