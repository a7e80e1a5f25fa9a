/** A change of one line that the tests must notice. */
export interface Mutation {
  /** What is wrong then. */
  readonly name: string;
  /** Whose tests are run first. */
  readonly area: "program" | "world" | "settings";
  /** Text of the sources that stands in one place of them alone; a blank stands for any white space. */
  readonly find: string;
  readonly replace: string;
}

const program: Omit<Mutation, "area">[] = [
  {
    name: "the gateway does not wait for istiod",
    find: 'waits for "auto" for ever. istio,',
    replace: 'waits for "auto" for ever.',
  },
  {
    name: "an issuer without a solver does not wait for cert-manager",
    find: "solver ?? certManager,",
    replace: "...present(solver),",
  },
  {
    name: "the certificate does not wait for the issuer",
    find: "half an hour later at the certificate. issuer,",
    replace: "half an hour later at the certificate.",
  },
  {
    name: "the issuer does not wait for its solver's token",
    find: "solver ?? certManager,",
    replace: "certManager,",
  },
  {
    name: "the Gateway does not wait for the certificate",
    find: "// Before, port 443 would listen without a certificate. certificate,",
    replace: "",
  },
  {
    name: "the token's ExternalSecret does not wait for its store",
    find: "// A sync through a store that is not Ready fails, and is tried again after ever longer waits. store,",
    replace: "",
  },
  {
    name: "the token is written before its mount is made",
    find: "before the engine is mounted. access,",
    replace: "before the engine is mounted.",
  },
  {
    name: "the store does not wait for External Secrets",
    find: "// The API server knows the kind, and its webhook answers, only when External Secrets runs. operator,",
    replace: "",
  },
  {
    name: "the route to Vault does not wait for its namespace",
    find: "// Its release makes the namespace of the route to Vault. vaultServer,",
    replace: "",
  },
  {
    name: "a destroy gives the reserved IP away",
    find: "a destroy must not give it away. retainOnDelete: true,",
    replace: "a destroy must not give it away.\nretainOnDelete: false,",
  },
  {
    name: "an update waits without an end",
    find: "customTimeouts: { create: timeout, update: timeout }",
    replace: "customTimeouts: { create: timeout }",
  },
  {
    name: "the kubeconfig is no secret",
    find: "kubeconfig: pulumi.secret(kubeconfig),",
    replace: "kubeconfig,",
  },
  {
    name: "TLS 1.3 is asked for and 1.2 is accepted",
    find: '"TLSV1_3" : "TLSV1_2"',
    replace: '"TLSV1_2" : "TLSV1_2"',
  },
  {
    name: "the key is copied to every namespace",
    find: 'copies === "all" ? "" : copies.join(",");',
    replace: 'copies === "all" ? "" : "";',
  },
  {
    name: "the last node port stays shut",
    find: "const NODE_PORTS = [30_000, 32_767] as const;",
    replace: "const NODE_PORTS = [30_000, 32_766] as const;",
  },
  {
    name: "the token in use is deleted when the next is made",
    find: "if (args.serial > 1) token(args.serial - 1);",
    replace: "if (args.serial > 3) token(args.serial - 1);",
  },
  {
    name: "a serial may be skipped",
    find: "after === before || after === before + 1",
    replace: "after === before || after >= before + 1",
  },
];

const world: Omit<Mutation, "area">[] = [
  {
    name: "a taken name is not refused",
    find: "if (there !== undefined && !overwrites)",
    replace: "if (there !== undefined && !overwrites && request.kind === undefined)",
  },
  {
    name: "a namespace that is missing is not missed",
    find: `throw new Refusal(\`namespaces "\${namespace}" not found\`)`,
    replace: "return",
  },
  {
    name: "a kind is known before its chart is installed",
    find: "throw new Refusal(`no matches for kind",
    replace: "void new Refusal(`no matches for kind",
  },
  {
    name: "External Secrets gives up waiting longer after five minutes",
    find: "backoff(1, 420, tries)",
    replace: "backoff(1, 300, tries)",
  },
  {
    name: "a failed issuance waits twice as long",
    find: "backoff(HOUR, 32 * HOUR, failures - 1)",
    replace: "backoff(HOUR, 32 * HOUR, failures)",
  },
  {
    name: "Let's Encrypt lets a sixth validation fail",
    find: "within(HOUR, true) >= 5",
    replace: "within(HOUR, true) >= 6",
  },
  {
    name: "Reflector overwrites what others made",
    find: "if (there !== undefined && there.spec.reflects !== origin) continue;",
    replace: "if (there !== undefined && there.spec.reflects === undefined && origin === undefined) continue;",
  },
  {
    name: "backends are green without their health port",
    find: "[30_000, 32_767, healthPort].every(",
    replace: "[30_000, 32_767].every(",
  },
  {
    name: "an IP that is in use can be deleted",
    find: "(balancer.spec.nsgs as string[]).includes(item.id) || balancer.status.address === item.status.ipAddress",
    replace: "(balancer.spec.nsgs as string[]).includes(item.id)",
  },
  {
    name: "a token that cannot list the zone will do",
    find: '["DNS Write", "Zone Read"].every(',
    replace: '["DNS Write"].every(',
  },
  {
    name: "a certificate of another issuer still fits",
    find: "return issuer === name &&",
    replace: "return issuer !== undefined &&",
  },
  {
    name: "a self-check is two seconds quicker",
    find: "challenge: 62,",
    replace: "challenge: 60,",
  },
];

const settings: Omit<Mutation, "area">[] = [
  {
    name: "minMbps may be one more than maxMbps",
    find: "minMbps > maxMbps",
    replace: "minMbps > maxMbps + 1",
  },
  {
    name: "nine seconds are enough for Let's Encrypt",
    find: "(acme.propagationSeconds ?? 10) < 10",
    replace: "(acme.propagationSeconds ?? 10) < 9",
  },
  {
    name: "cert-manager 1.20 can wait a set time",
    find: "minor >= 21",
    replace: "minor >= 20",
  },
  {
    name: "A records live a minute by default",
    find: 'whole("seconds", 60, 86_400), 300)',
    replace: 'whole("seconds", 60, 86_400), 60)',
  },
  {
    name: "the ACME server is production by default",
    find: 'isUrl(value, "https:"), ), "staging",',
    replace: 'isUrl(value, "https:")), "production",',
  },
  {
    name: "an internal load balancer takes a reserved IP",
    find: "internal && reservedIp !== undefined",
    replace: 'internal && reservedIp === ""',
  },
  {
    name: "the wildcard covers two labels",
    find: 'host.slice(host.indexOf(".") + 1) === base;',
    replace: 'host.slice(host.indexOf(".") + 1).endsWith(base);',
  },
  {
    name: "istio-system gets no copy unless it is named",
    find: 'new Set(["istio-system", ...names])',
    replace: "new Set([...names])",
  },
  {
    name: "a token in clear is taken",
    find: "secretKeys.includes(name) && !config",
    replace: 'secretKeys.includes("") && !config',
  },
  {
    name: "a mistake shows a private key",
    find: 'if (value.includes("PRIVATE KEY")) return',
    replace: 'if (value === "PRIVATE KEY") return',
  },
  {
    name: "support ends a day early",
    find: "T23:59:59Z",
    replace: "T00:00:00Z",
  },
];

const of = (area: Mutation["area"], list: Omit<Mutation, "area">[]): Mutation[] => list.map((it) => ({ area, ...it }));

/** What a reader of the sources could break without a word from the compiler: forty times, and no oftener. */
export const mutations: readonly Mutation[] = [
  ...of("program", program),
  ...of("world", world),
  ...of("settings", settings),
];
