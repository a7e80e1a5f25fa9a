import { describe, expect, it } from "vitest";
import {
  type Application,
  applicationVerdicts,
  definitionVerdicts,
  type HelmRelease,
  placesOf,
  releaseVerdicts,
} from "../../../tools/doctor/rivals.ts";
import { problem } from "../../../tools/lib/checks.ts";
import { settingsFrom } from "../settings.ts";
import { definition, keptDefinitions, type Metadata } from "./definitions.ts";
import { type Raw, wholeStack } from "./examination.ts";

const settingsWith = (changes: Raw = {}) => settingsFrom({ ...wholeStack(), ...changes });
const settings = settingsWith();
const withoutOperator = settingsWith({ externalSecrets: { install: false } });
const withVault = settingsWith({ vault: { install: true, initialized: true } });

const release = (at: string, status = "deployed", byPulumi = false): HelmRelease => {
  const [namespace = "", name = ""] = at.split("/");
  return { name, namespace, status, byPulumi };
};

describe("a Helm release", () => {
  const judged = (stack: typeof settings, ...releases: HelmRelease[]) =>
    releaseVerdicts(stack, placesOf(stack), releases);
  const fine = [{ level: "ok", reason: "no release of others in the way" }];
  const adopt = "; or npm run adopt -- --stack <stack>, which takes it over";
  const notPulumis = (name: string, namespace: string, instead = adopt) =>
    problem(
      `release ${name} in ${namespace} (deployed) is not Pulumi's`,
      `remove it: helm uninstall ${name} --namespace ${namespace}; the program installs its own${instead}`,
    );

  it("that a destroy has not finished is in the way of the next up", () => {
    expect(judged(settings, release("istio-system/istiod", "uninstalling", true))).toEqual([
      problem(
        "release istiod in istio-system is uninstalling: a destroy was cut off, and Helm refuses to install it",
        "pulumi destroy once more; it goes on with it",
      ),
    ]);
  });

  it("of the platform's own is fine, whatever its status but pending", () => {
    const own = [...placesOf(withVault)].map((place) => release(place, "failed", true));
    expect(own).toHaveLength(7);
    expect(judged(withVault, ...own)).toEqual(fine);
  });

  it("under one of the platform's names is in the way", () => {
    expect(judged(settings, release("istio-system/istio-base"))).toEqual([notPulumis("istio-base", "istio-system")]);
  });

  it("of Vault is in the way where the program is to install one", () => {
    expect(judged(withVault, release("vault/vault"))).toEqual([
      notPulumis("vault", "vault", "; or set vault.install to false, and the rest of vault to its own"),
    ]);
    expect(judged(settings, release("vault/vault"))).toEqual(fine);
  });

  it("elsewhere is in the way where it has things of the whole cluster", () => {
    expect(judged(settings, release("ops/cert-manager"), release("ops/istio-ingressgateway"))).toEqual([
      problem(
        "release cert-manager in ops (deployed) owns things of the whole cluster that ours is to make",
        "remove it: helm uninstall cert-manager --namespace ops; the program installs its own",
      ),
    ]);
  });

  it("of External Secrets is in nobody's way where that is to be used", () => {
    expect(
      judged(withoutOperator, release("external-secrets/external-secrets"), release("ops/external-secrets")),
    ).toEqual(fine);
  });

  it("whose run was cut off stops the next", () => {
    expect(judged(settings, release("istio-system/istiod", "pending-upgrade", true))).toEqual([
      problem(
        "release istiod in istio-system is pending-upgrade: a run was cut off, and Helm refuses another",
        "npm run repair -- --stack <stack>, unless somebody is still at work",
      ),
    ]);
  });
});

describe("a definition", () => {
  const judged = (stack: typeof settings, ...definitions: Metadata[]) =>
    definitionVerdicts(
      stack,
      placesOf(stack),
      definitions.map((metadata) => ({ name: metadata.name, metadata })),
    );
  const fine = [{ level: "ok", reason: "none of others in the way" }];
  const foreign = (what: string, owner: string, wanted: string) => [
    problem(
      `${what}, belong to ${owner}: Helm installs no ${wanted} over them`,
      "npm run adopt -- --stack <stack> takes them over with their installation; or remove that, and then, with all objects of these kinds: kubectl delete crd <name>",
    ),
  ];

  it("of the platform's own is fine, and so are its neighbours", () => {
    expect(judged(settings, ...keptDefinitions())).toEqual(fine);
  });

  it("of another release is in the way, counted with its like", () => {
    const others = ["issuers.cert-manager.io", "certificates.cert-manager.io"];
    expect(judged(settings, ...others.map((name) => definition(name, "ops/cert-manager")))).toEqual(
      foreign(
        "2 definition(s), such as certificates.cert-manager.io",
        "the Helm release ops/cert-manager",
        "cert-manager/cert-manager",
      ),
    );
  });

  it("that somebody applied is in the way", () => {
    expect(judged(settings, { name: "externalsecrets.external-secrets.io" })).toEqual(
      foreign(
        "1 definition(s), such as externalsecrets.external-secrets.io",
        "nobody that says so",
        "external-secrets/external-secrets",
      ),
    );
  });

  it("with our annotations but without Helm's label is nobody's", () => {
    const { name, annotations } = definition("gateways.networking.istio.io", "istio-system/istio-base");
    expect(judged(settings, { name, annotations })).toEqual(
      foreign(
        "1 definition(s), such as gateways.networking.istio.io",
        "nobody that says so",
        "istio-system/istio-base",
      ),
    );
  });

  it("is known as ArgoCD's by its annotation", () => {
    const name = "gateways.networking.istio.io";
    const tracking = `istio:apiextensions.k8s.io/CustomResourceDefinition:istio-system/${name}`;
    expect(judged(settings, { name, annotations: { "argocd.argoproj.io/tracking-id": tracking } })).toEqual(
      foreign(`1 definition(s), such as ${name}`, "the ArgoCD Application istio", "istio-system/istio-base"),
    );
  });

  it("may be known as ArgoCD's by its label", () => {
    const labels = { "app.kubernetes.io/instance": "certs" };
    expect(judged(settings, { name: "issuers.cert-manager.io", labels })).toEqual(
      foreign(
        "1 definition(s), such as issuers.cert-manager.io",
        "no Helm release, but the instance certs, which may be an ArgoCD Application",
        "cert-manager/cert-manager",
      ),
    );
  });

  it("of External Secrets must be there where that is not installed, whosever it is", () => {
    expect(judged(withoutOperator)).toEqual([
      problem(
        "externalSecrets.install is false, and the cluster has no clustersecretstores.external-secrets.io",
        "install External Secrets, or set externalSecrets.install to true",
      ),
    ]);
    expect(judged(withoutOperator, definition("clustersecretstores.external-secrets.io", "ops/eso"))).toEqual(fine);
    const tokenless = settingsWith({ cloudflare: { token: "none" }, acme: { server: "ca" }, vault: undefined });
    expect(judged(tokenless)).toEqual(fine);
  });
});

describe("an Application of ArgoCD's", () => {
  const application = (name: string, chart: string, repoURL: string): Application => ({
    name,
    namespace: "argocd",
    charts: [{ chart, repoURL }],
  });
  const fine = [{ level: "ok", reason: "no Application that installs the same" }];

  it("that installs one of the charts would undo what the program does", () => {
    expect(
      applicationVerdicts(settings, [
        { name: "wildcard", namespace: "argocd", charts: [] },
        application("istio", "base", "https://istio-release.storage.googleapis.com/charts"),
        application("shop", "base", "https://charts.example.com"),
        application("certs", "cert-manager", "https://charts.jetstack.io"),
      ]),
    ).toEqual([
      problem(
        "Application istio in argocd installs the chart base, and would undo what this program does",
        "npm run adopt -- --stack <stack> takes over what it made; or delete it with that: argocd app delete istio --cascade",
      ),
      problem(
        "Application certs in argocd installs the chart cert-manager, and would undo what this program does",
        "npm run adopt -- --stack <stack> takes over what it made; or delete it with that: argocd app delete certs --cascade",
      ),
    ]);
  });

  it("may install External Secrets where that is to be used", () => {
    const operator = application("eso", "external-secrets", "https://charts.external-secrets.io");
    expect(applicationVerdicts(withoutOperator, [operator])).toEqual(fine);
    expect(applicationVerdicts(settings, [operator])).not.toEqual(fine);
  });
});
