import type { PulumiCli } from "../lib/pulumi.ts";
import { told } from "../repair/backend.ts";
import { IMPORT_FLAGS } from "../repair/import-command.ts";
import type { ObjectName } from "../repair/kubernetes.ts";
import { exportState, inPrivateJson, knownIn } from "../repair/state.ts";
import { type Check, checksText } from "../verify/check.ts";
import type { Action, Json, Place, PreparingAction } from "./actions.ts";
import { applicationName, isBusy, isCascade } from "./applications.ts";
import type { AdoptCluster, LiveObject } from "./cluster.ts";

// Does what the plan says, and undoes it. Each action is as it should be when it is done a second time.

/** With what it is done. */
export interface Hands {
  readonly stack: string;
  readonly cluster: AdoptCluster;
  readonly pulumi: PulumiCli;
  /** Checks what is up, with the settings that were written. */
  readonly verify: () => Promise<readonly Check[]>;
  /** Waits a second before the next look. */
  readonly pause: () => Promise<void>;
}

/** Seconds for ArgoCD to end what it is doing, and for what is up to be as it should be. */
const [IDLE_SECONDS, FINE_SECONDS] = [600, 60];

/**
 * What lets the provider take over what is there, and write the fields that ArgoCD has written: without force an apply
 * ends in a conflict wherever a value is another.
 * https://github.com/pulumi/pulumi-kubernetes/blob/94977969d/provider/pkg/await/await.go
 */
const UPSERT = { PULUMI_K8S_UPSERT_EXISTING_OBJECTS: "true", PULUMI_K8S_ENABLE_PATCH_FORCE: "true" } as const;

/** @throws with what has failed, and what to do */
export async function act(action: Action, hands: Hands): Promise<void> {
  const { cluster } = hands;
  switch (action.do) {
    case "write-settings":
      return writeSettings(action.values, hands);
    case "stop-sync":
      return setAutomated(action.application, null, cluster);
    case "wait-for-no-operation":
      return untilIdle(action.applications, hands);
    case "mark":
      return setMetadata(action.object, { labels: action.labels, annotations: action.annotations }, cluster);
    case "set-aside-record":
      return moveRecord(action.record, setAside(action.record), OURS, cluster);
    case "import":
      return importRecord(action.urn, action.file, hands);
    case "up-with-upsert":
      return up(hands, UPSERT);
    case "up":
      return up(hands, {});
    case "remove-field":
      return void ((await cluster.read(action.object)) && (await cluster.patch(action.object, action.patch)));
    case "verify":
      return untilFine(hands);
    case "remove-application-without-cascade":
      return removeApplication(action.application, action.parents, cluster);
    case "forget-records":
      for (const record of action.records) await remove(setAside(record), cluster);
      return;
  }
}

/** @throws with what has failed */
export async function undoAction(action: PreparingAction, hands: Hands): Promise<void> {
  const { cluster } = hands;
  switch (action.do) {
    case "write-settings":
      return writeSettings(action.before, hands);
    case "stop-sync":
      return setAutomated(action.application, action.before, cluster);
    case "wait-for-no-operation":
      return;
    case "mark":
      return setMetadata(action.object, action.before, cluster);
    case "set-aside-record":
      return moveRecord(setAside(action.record), action.record, "helm", cluster);
  }
}

async function writeSettings(values: Readonly<Record<string, Json>>, { pulumi, stack }: Hands): Promise<void> {
  const set = Object.entries(values).filter(([, value]) => value !== null);
  const json = Object.fromEntries(
    set.map(([key, value]) => [
      key,
      typeof value === "string"
        ? { value, secret: false }
        : { value: JSON.stringify(value), objectValue: value, secret: false },
    ]),
  );
  const failure = "the stack's configuration cannot be written";
  if (set.length > 0) await told(pulumi, failure, ["config", "set-all", "--json", JSON.stringify(json)], stack);
  for (const [key, value] of Object.entries(values))
    if (value === null) await told(pulumi, failure, ["config", "rm", key], stack);
}

async function setAutomated(application: Place, automated: Json, cluster: AdoptCluster): Promise<void> {
  const name = applicationName(application);
  // One that is gone syncs no more.
  if ((await cluster.read(name)) === undefined) return;
  await cluster.patch(name, { spec: { syncPolicy: { automated } } });
}

type Texts = Readonly<Record<string, string | null>>;

async function setMetadata(
  object: ObjectName,
  metadata: { readonly labels: Texts; readonly annotations: Texts },
  cluster: AdoptCluster,
): Promise<void> {
  if ((await cluster.read(object)) !== undefined) await cluster.patch(object, { metadata });
}

interface Synced extends LiveObject {
  readonly spec?: { readonly syncPolicy?: { readonly automated?: Json } };
}

const syncsItself = (object: Synced | undefined) => (object?.spec?.syncPolicy?.automated ?? null) !== null;

async function untilIdle(applications: readonly Place[], { cluster, pause }: Hands): Promise<void> {
  for (let second = 0; ; second++) {
    const live = await Promise.all(applications.map((it) => cluster.read(applicationName(it))));
    const again = applications.filter((_, index) => syncsItself(live[index]));
    if (again.length > 0)
      throw new Error(
        `${again.map(shown).join(", ")} syncs by itself again: something sets it back, such as another tool or its own Git. ` +
          "Stop that, and run this again; it goes on from here",
      );
    const busy = applications.filter((_, index) => live[index] !== undefined && isBusy(live[index]));
    if (busy.length === 0) return;
    if (second === IDLE_SECONDS)
      throw new Error(`ArgoCD is still at work on ${busy.map(shown).join(", ")}; run this again when it is not`);
    await pause();
  }
}

const shown = ({ namespace, name }: Place) => `Application ${namespace}/${name}`;

/** Whose a record is, by its label: Helm looks for its own alone. */
const OURS = "oke-platform-adopt";

const setAside = ({ namespace, name }: Place): Place => ({ namespace, name: `set-aside.${name}` });

const secretName = (place: Place): ObjectName => ({ apiVersion: "v1", kind: "Secret", ...place });

/** Gives a record another name and owner; the copy is there before the first one goes. */
async function moveRecord(from: Place, to: Place, owner: string, cluster: AdoptCluster): Promise<void> {
  const record = await cluster.read(secretName(from));
  if (record === undefined) return;
  if ((await cluster.read(secretName(to))) === undefined) {
    const { labels } = record.metadata ?? {};
    const { apiVersion, kind, type, data } = record;
    await cluster.create({
      ...{ apiVersion, kind, type, data },
      metadata: { ...to, labels: { ...labels, owner } },
    } as LiveObject);
  }
  await remove(from, cluster);
}

async function remove(place: Place, cluster: AdoptCluster): Promise<void> {
  const found = await cluster.read(secretName(place));
  if (found !== undefined) await cluster.remove(secretName(place), found.metadata?.uid ?? "");
}

async function importRecord(urn: string, file: Json, { pulumi, stack }: Hands): Promise<void> {
  if (knownIn(await exportState(pulumi, stack), urn) !== undefined) return;
  await inPrivateJson(file, (path) =>
    told(
      pulumi,
      "what is at Cloudflare cannot be taken over",
      ["import", "--file", path, ...IMPORT_FLAGS, "--yes", "--skip-preview", "--non-interactive"],
      stack,
    ),
  );
}

async function up({ pulumi, stack }: Hands, env: Readonly<Record<string, string>>): Promise<void> {
  if ((await pulumi.show(["up", "--yes", "--skip-preview", "--stack", stack], env)) === 0) return;
  throw new Error(
    "up failed. What is served is served as before. When the reason is gone, run this command again; it goes on from here",
  );
}

async function untilFine({ verify, pause }: Hands): Promise<void> {
  for (let second = 0; ; second++) {
    const wrong = (await verify()).filter(({ status }) => status === "FAIL");
    if (wrong.length === 0) return;
    if (second === FINE_SECONDS)
      throw new Error(
        `what is up is not as it should be, and the Applications are kept:\n${checksText(wrong)}\n` +
          "When the reason is gone, run this command again; it goes on from here",
      );
    await pause();
  }
}

async function removeApplication(application: Place, parents: readonly Place[], cluster: AdoptCluster): Promise<void> {
  for (const parent of parents)
    if (syncsItself(await cluster.read(applicationName(parent))))
      throw new Error(
        `${shown(parent)} syncs by itself again, and would make ${application.name} again, which would take what it made from ` +
          `the stack. Take ${application.name} out of its Git first, or stop its sync; then run this again`,
      );
  const name = applicationName(application);
  const live = await cluster.read(name);
  if (live === undefined) return;
  const { finalizers = [], uid = "" } = live.metadata ?? {};
  if (finalizers.some(isCascade))
    await cluster.patch(name, { metadata: { finalizers: finalizers.filter((it) => !isCascade(it)) } });
  await cluster.remove(name, uid);
}
