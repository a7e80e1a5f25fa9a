import * as v from "valibot";
import { says, section, text } from "./fields.ts";

// Names of the Helm releases: what others have installed under other names is taken over under them.

/** https://github.com/helm/helm/blob/v3.20.0/pkg/chartutil/validate_name.go */
const helmName = text(
  'the name of a Helm release: at most 53 lower-case letters, digits and "-", with a letter or digit at both ends',
  /^[a-z0-9]([-a-z0-9]{0,51}[a-z0-9])?$/,
);

const CONSEQUENCE =
  "Its objects are named and labelled by it, and a Deployment's labels can never change: never change it on a running stack.";

const named = (release: string) => ({
  releaseName: says(`Name of the Helm release. ${CONSEQUENCE}`, v.optional(helmName, release)),
});

/** Of the charts whose release may have a name of its own, the field for it. */
export const ownName = {
  certManager: named("cert-manager"),
  reflector: named("reflector"),
  externalSecrets: named("external-secrets"),
};

/** Not the gateway's: Gateways, Services and the load balancer find its pods by a label that follows from the name. */
export const releaseNames = says(
  `Names of the Helm releases of Istio's control plane; the gateway's is always istio-ingressgateway, by which its pods are found. ${CONSEQUENCE}`,
  section({
    base: says("Name of the release with Istio's CRDs.", v.optional(helmName, "istio-base")),
    istiod: says("Name of istiod's release.", v.optional(helmName, "istiod")),
  }),
);

/**
 * What a chart's objects are called where its release has a name: charts repeat neither.
 * https://github.com/cert-manager/cert-manager/blob/v1.21.2/deploy/charts/cert-manager/templates/_helpers.tpl
 */
export const fullName = (chart: string, release: string): string =>
  release.includes(chart) ? release : `${release}-${chart}`;
