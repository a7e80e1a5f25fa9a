import { describe, expect, it } from "vitest";
import { parseSettings } from "../../settings/settings.ts";
import { charts as defaults } from "../../versions.ts";
import { configOf, itJudges, itRefuses, mistakesIn, oke, settingsOf, usualCharts } from "./stacks.ts";

const exactly = "one exact version such as 1.31.4, no range";
const source = "https://<repository>, oci://<registry path>, or a directory that starts with / or ./";
const aMap = "a map of chart values, merged over the program's own";
const names = Object.keys(defaults) as (keyof typeof defaults)[];
describe("the charts", () => {
  const sources = ["https://charts.example.com", "http://a", "oci://mirror/charts", "/charts", "./charts", "../charts"];
  const noSources = [
    "charts.jetstack.io",
    "ftp://charts.example.com",
    "git@example.com:charts",
    "https://",
    "charts/",
    "https://charts.example.com/?token=s3same",
    "https://charts.example.com#x",
  ];
  itJudges([
    ["charts.mirror", source, noSources, [undefined, ...sources]],
    ...names.flatMap((name): Parameters<typeof itJudges>[0] => [
      [
        `charts.${name}.version`,
        exactly,
        ["^1.31.4", "~1.31.4", ">=1.31.4", "1.31.x", "1.31", "latest"],
        [undefined, "1.31.4", "v1.31.4", "1.31.4-rc.1", "1.31.4+b"],
      ],
      [`charts.${name}.repo`, source, noSources, [undefined, ...sources]],
    ]),
    ...names
      .filter((name) => name !== "istio")
      .map((name): Parameters<typeof itJudges>[0][number] => [
        `charts.${name}.values`,
        aMap,
        [[1], "x"],
        [undefined, { a: 1 }],
      ]),
    ["charts.istio.values", "a map with keys of base, istiod, gateway", [[1]], [undefined, {}]],
    ...["base", "istiod", "gateway"].map((name): Parameters<typeof itJudges>[0][number] => [
      `charts.istio.values.${name}`,
      aMap,
      [[1]],
      [undefined, { a: 1 }],
    ]),
    ["charts.istio", "a map with keys of version, repo, username, values, releaseNames", [5], [undefined]],
  ]);

  itRefuses([
    [
      "an unknown chart, and an unknown one of Istio's",
      { charts: { argocd: {}, istio: { values: { cni: {} } } } },
      "charts.argocd is no setting; allowed: a map with no other keys than mirror, username, certManager, reflector, istio, externalSecrets, vault",
      "charts.istio.values.cni is no setting; allowed: a map with no other keys than base, istiod, gateway",
    ],
  ]);

  const releaseName =
    'the name of a Helm release: at most 53 lower-case letters, digits and "-", with a letter or digit at both ends';
  itJudges(
    [
      "certManager.releaseName",
      "reflector.releaseName",
      "externalSecrets.releaseName",
      "istio.releaseNames.base",
      "istio.releaseNames.istiod",
    ].map((key): Parameters<typeof itJudges>[0][number] => [
      `charts.${key}`,
      releaseName,
      ["Mine", "-a", "a.b", "a".repeat(54), 5],
      [undefined, "a", "a".repeat(53)],
    ]),
  );

  itRefuses([
    [
      "another name for the gateway, by which its pods are found, and for Vault's",
      { charts: { istio: { releaseNames: { gateway: "edge" } }, vault: { releaseName: "mine" } } },
      "charts.istio.releaseNames.gateway is no setting; allowed: a map with no other keys than base, istiod",
      "charts.vault.releaseName is no setting; allowed: a map with no other keys than version, repo, username, values",
    ],
  ]);

  it("come from their makers in the versions that are pinned", () => {
    expect(settingsOf().charts).toEqual(usualCharts);
  });

  const own = {
    certManager: { version: "1.21.3", repo: "./charts", values: { a: 1 } },
    istio: { values: { base: { b: 2 } } },
  };
  it("come from a repository of their own, else the mirror, else their makers", () => {
    const { istio, ...others } = usualCharts;
    expect(settingsOf({ charts: own }).charts).toEqual({
      ...others,
      certManager: { ...others.certManager, ...own.certManager },
      istio: { ...istio, ...own.istio },
    });
    const mirror = "oci://mirror/charts";
    expect(settingsOf({ charts: { ...own, mirror } }).charts).toEqual({
      certManager: { ...others.certManager, ...own.certManager },
      reflector: { ...others.reflector, repo: mirror },
      istio: { ...istio, repo: mirror, ...own.istio },
      externalSecrets: { ...others.externalSecrets, repo: mirror },
      vault: { version: defaults.vault.version, repo: mirror },
    });
  });

  describe("are asked for with a login", () => {
    const passwordSet = ["chartsPassword"];
    const withLogin = { chartsPassword: "s3same", charts: { mirror: "oci://mirror/charts", username: "robot" } };
    const login = { username: "robot", password: "s3same" };

    it("at the mirror, but not at a source of one's own", () => {
      const charts = { ...withLogin.charts, vault: { repo: "https://charts.example.com" } };
      const made = parseSettings(configOf({ ...oke, ...withLogin, charts }, passwordSet)).charts;
      const mirrored = <Usual>(usual: Usual) => ({ ...usual, repo: "oci://mirror/charts", login });
      expect(made).toEqual({
        certManager: mirrored(usualCharts.certManager),
        reflector: mirrored(usualCharts.reflector),
        istio: mirrored(usualCharts.istio),
        externalSecrets: mirrored(usualCharts.externalSecrets),
        vault: { version: defaults.vault.version, repo: "https://charts.example.com" },
      });
    });

    it("at a source of one's own", () => {
      const charts = { istio: { repo: "https://charts.example.com", username: "robot" } };
      const made = parseSettings(configOf({ ...oke, chartsPassword: "s3same", charts }, passwordSet)).charts;
      expect(made).toEqual({
        ...usualCharts,
        istio: { ...usualCharts.istio, repo: "https://charts.example.com", login },
      });
    });

    const alone = "nothing without an https:// or oci:// source in";
    it.each<[what: string, changes: object, ...lines: string[]]>([
      [
        "a user name without a mirror",
        { chartsPassword: "s3same", charts: { username: "robot" } },
        `charts.username is "robot"; allowed: ${alone} charts.mirror, for which it is; remove it`,
      ],
      [
        "a user name for a directory, and one for plain HTTP",
        {
          chartsPassword: "s3same",
          charts: { mirror: "./charts", username: "robot", vault: { repo: "http://a", username: "robot" } },
        },
        `charts.username is "robot"; allowed: ${alone} charts.mirror, for which it is; remove it`,
        `charts.vault.username is "robot"; allowed: ${alone} charts.vault.repo, for which it is; remove it`,
      ],
      [
        "a user name without the password",
        { charts: withLogin.charts },
        'charts.username is "robot"; allowed: a user name with its password as a secret; pulumi config set --secret chartsPassword',
      ],
      [
        "a password without a user name",
        { chartsPassword: "s3same" },
        "chartsPassword is [secret]; allowed: nothing without a user name in charts.username or in that of a chart; set one, or remove the password",
      ],
    ])("but not with %s", (_what, changes, ...lines) => {
      expect(mistakesIn({ ...oke, ...changes }, passwordSet)).toEqual(lines);
    });
  });

  it.each([
    "https://robot:s3same@charts.example.com",
    "https://robot:s3/s@me@charts.example.com/stable",
    "http://s3same@charts.example.com",
    "oci://robot:s3same@registry.example.com/charts",
    "robot:s3same@charts.example.com",
  ])("have no login in a source, and none is shown: %s", (source) => {
    const [line, ...others] = mistakesIn({ ...oke, charts: { mirror: source, vault: { repo: source } } });
    expect(others).toHaveLength(1);
    expect(line).toMatch(
      /^charts\.mirror is "(\w+:\/\/)?\[credentials\]@.*; no user name and no password belong in an address$/,
    );
    expect(`${line}${others}`).not.toMatch(/s3|robot|s@me/);
  });
});
