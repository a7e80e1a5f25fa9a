import * as pulumi from "@pulumi/pulumi";
import { forbiddenIstioStep } from "../settings/istio-step.ts";
import { previewHook } from "./hooks.ts";

/**
 * Refuses to upgrade a release of Istio's past a minor version, or back. On each of its three releases, because a run that
 * failed between them leaves them in different ones.
 *
 * @param name the release's
 */
export const oneMinorAtATime = (name: string): pulumi.ResourceHook =>
  previewHook(`${name}-one-minor`, ({ oldInputs, newInputs }) => {
    const step = forbiddenIstioStep(String(oldInputs?.version), String(newInputs?.version));
    if (step === undefined) return;
    throw new Error(
      `${step.why} (release ${newInputs?.name}; https://istio.io/latest/docs/setup/upgrade/). The next step: ` +
        `pulumi config set --path charts.istio.version ${step.next} --stack ${pulumi.getStack()}, then pulumi up`,
    );
  });
