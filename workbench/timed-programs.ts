// Sources of the programs that the bench times as whole processes.

const url = (path: string) => JSON.stringify(new URL(path, import.meta.url).href);
const PULUMI = 'import * as pulumi from "@pulumi/pulumi";\n';
/** What the program asks of the clouds is answered at once. */
const MOCKS = `
import { willingCloud } from ${url("../sandbox/schedule/willing-cloud.ts")};
import { readStack } from ${url("../project/stack.ts")};
const config = await readStack("prod");
`;
/** The mock monitor knows no hooks. */
const HOOKS =
  "const done = (_, done) => done(null, {}); Object.assign(pulumi.runtime.getMonitor(), { registerResourceHook: done, registerErrorHook: done });";
/** Below a stack, which it is a part of. */
const PROGRAM = `await pulumi.runtime.runInPulumiStack(async () => ({ ...(await import(${url("../index.ts")})) }));`;
const RUN = `
await pulumi.runtime.setMocks(willingCloud(), "oke-platform", "prod");
${HOOKS}
pulumi.runtime.setAllConfig(config.values, config.secrets);
`;

/** Programs that are timed as whole processes, in turn. */
export const programs = {
  sdk: `${PULUMI}if (pulumi.Output === undefined) process.exit(1);`,
  // Without configuration the program stops after its imports.
  imports: `${PULUMI}await import(${url("../index.ts")}).catch(() => undefined);`,
  everything: `${PULUMI}
await pulumi.runtime.setMocks({ newResource: (r) => ({ id: r.name, state: { status: { loadBalancer: { ingress: [] } }, metadata: { version: "1" }, ...r.inputs } }), call: () => ({ zoneId: "z", content: "", results: [{ id: "1", name: "DNS Write", status: "active" }, { id: "2", name: "Zone Read" }] }) }, "oke-platform", "prod");
${HOOKS}
pulumi.runtime.setAllConfig(JSON.parse(process.env.BENCH_CONFIG));
${PROGRAM}
await pulumi.runtime.disconnect();`,
  services: `${PULUMI}${MOCKS}
config.values["oke-platform:services"] = JSON.stringify(Array.from({ length: Number(process.env.BENCH_COUNT) }, (_, at) => ({ name: "service-" + at, namespace: "default", port: 8080 })));
${RUN}
const start = performance.now();
${PROGRAM}
await pulumi.runtime.disconnect();
console.log(performance.now() - start);`,
  bare: `${PULUMI}${MOCKS}
import { CustomResource } from "@pulumi/kubernetes/apiextensions/customResource.js";
import { Provider } from "@pulumi/kubernetes/provider.js";
${RUN}
const start = performance.now();
const provider = new Provider("kubernetes", {});
for (let at = 0; at < Number(process.env.BENCH_COUNT); at++) {
  new CustomResource("service-" + at, { apiVersion: "networking.istio.io/v1", kind: "VirtualService", metadata: { name: "service-" + at + "-vs", namespace: "default" }, spec: { hosts: ["service-" + at + ".cluster.example.com"], gateways: ["istio-system/istio-gateway"], http: [{ match: [{ uri: { prefix: "/" } }], route: [{ destination: { host: "service-" + at, port: { number: 8080 } } }] }] } }, { provider });
}
await pulumi.runtime.disconnect();
console.log(performance.now() - start);`,
} as const;
