import type { ObjectName } from "../repair/kubernetes.ts";
import type { MergePatch } from "./cluster.ts";

// What a takeover does, as data: each action can be done again after it was cut off, and until `up` begins each can be
// undone by what it says of before.

/** An object of a namespace. */
export interface Place {
  readonly namespace: string;
  readonly name: string;
}

/** A value as JSON has it. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/** Undone by taking back what it wrote. */
export type PreparingAction =
  /** The stack's file says what reproduces the cluster; `before` is what it said, null for nothing. */
  | {
      readonly do: "write-settings";
      readonly values: Readonly<Record<string, Json>>;
      readonly before: Readonly<Record<string, Json>>;
    }
  /** ArgoCD syncs the Application no more by itself; `before` is its `spec.syncPolicy.automated`. */
  | { readonly do: "stop-sync"; readonly application: Place; readonly before: Json }
  /** Waits until ArgoCD is at work on none of them; nothing to undo. */
  | { readonly do: "wait-for-no-operation"; readonly applications: readonly Place[] }
  /** The object carries what Helm knows a release's objects by; `before` is what it said in these places, null for nothing. */
  | {
      readonly do: "mark";
      readonly object: ObjectName;
      readonly labels: Readonly<Record<string, string>>;
      readonly annotations: Readonly<Record<string, string>>;
      readonly before: {
        readonly labels: Readonly<Record<string, string | null>>;
        readonly annotations: Readonly<Record<string, string | null>>;
      };
    }
  /** Helm forgets a revision that another Helm installed; its record is kept under another name. */
  | { readonly do: "set-aside-record"; readonly record: Place };

/** What cannot be undone by this command any more. */
type TakingAction =
  /** Hands an object of Cloudflare's to the stack; `file` is what `pulumi import --file` reads. */
  | { readonly do: "import"; readonly urn: string; readonly file: Json }
  /** `pulumi up` that takes over what is there: PULUMI_K8S_UPSERT_EXISTING_OBJECTS and PULUMI_K8S_ENABLE_PATCH_FORCE are true. */
  | { readonly do: "up-with-upsert" }
  /** `pulumi up` as it will be from now on. */
  | { readonly do: "up" }
  /** A field goes that only the live object has. */
  | { readonly do: "remove-field"; readonly object: ObjectName; readonly patch: MergePatch }
  /** All of `npm run verify` passes. */
  | { readonly do: "verify" }
  /** The Application goes, and nothing that it made; refused while a parent syncs by itself. */
  | {
      readonly do: "remove-application-without-cascade";
      readonly application: Place;
      readonly parents: readonly Place[];
    }
  /** Records that were set aside go, and with them the way back. */
  | { readonly do: "forget-records"; readonly records: readonly Place[] };

/** What is done, in its order: all that prepares, then all that takes. */
export type Action = PreparingAction | TakingAction;

const PREPARING: readonly Action["do"][] = [
  "write-settings",
  "stop-sync",
  "wait-for-no-operation",
  "mark",
  "set-aside-record",
];

/** Whether an action can be undone. */
export const isPreparing = (action: Action): action is PreparingAction => PREPARING.includes(action.do);
