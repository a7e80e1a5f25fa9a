import { isDeepStrictEqual } from "node:util";
import { replayUp } from "../sandbox/schedule/up.ts";
import { type ApplicationSpec, operates } from "../sandbox/world/argocd.ts";
import { problemsOf } from "../sandbox/world/served.ts";
import { keyOf, type Spec, type State } from "../sandbox/world/state.ts";
import { openWorld } from "../sandbox/world/systems.ts";
import type { Latencies, World } from "../sandbox/world/world.ts";
import { type Action, isPreparing, type Place, type PreparingAction } from "../tools/adopt/actions.ts";
import { type Article, HOSTS } from "./article.ts";

// A takeover's actions, played on the world's virtual clock.

/** What a takeover has done so far, beside what is in the world. */
export interface Progress {
  /** URNs that are in the stack's state. */
  made: ReadonlySet<string>;
  /** URNs that an interrupted `up` has begun. */
  unready: ReadonlySet<string>;
}

/** Where a replay is cut off, by the index of its action. */
interface Cut {
  readonly at: number;
  /** Seconds of an `up` until then. @default - before the action */
  readonly seconds?: number;
}

export class CutOff extends Error {}

export class Takeover {
  readonly progress: Progress;
  private readonly article: Article;
  private readonly latencies: Latencies;
  private state: State;

  constructor(article: Article, state: State, latencies: Latencies) {
    this.article = article;
    this.latencies = latencies;
    this.state = state;
    // The records that a real run imports: that they are there is said to the program alone.
    const records = [...article.graph.values()].filter(({ type }) => type === "cloudflare:index/dnsRecord:DnsRecord");
    this.progress = { made: new Set(records.map(({ urn }) => urn)), unready: new Set() };
  }

  get world(): World {
    return openWorld(this.state, this.latencies);
  }

  /**
   * Plays all actions.
   *
   * @throws {CutOff} where it is cut off
   */
  play(cut?: Cut): void {
    for (const [index, action] of this.article.plan.actions.entries()) {
      const isCut = cut?.at === index;
      if (isCut && cut.seconds === undefined) throw new CutOff();
      this.act(action, isCut ? cut.seconds : undefined);
      if (isCut) throw new CutOff();
    }
  }

  /** Gives back what was prepared. */
  undo(): void {
    for (const action of this.article.plan.actions.filter(isPreparing).reverse()) this.undoOne(action);
    // ArgoCD has the time to do what it does with it.
    this.advance(this.latencies.ArgoCD ?? 0);
  }

  private advance(seconds: number): void {
    const { world } = this;
    world.advance(world.now + seconds);
  }

  private act(action: Action, interruptedAfter?: number): void {
    const { world } = this;
    switch (action.do) {
      case "write-settings":
        return;
      case "stop-sync":
        this.setAutomated(action.application, false);
        return;
      case "wait-for-no-operation": {
        const places = action.applications.map(applicationKey);
        const isBusy = (key: string) => {
          const item = world.item(key);
          return item !== undefined && operates(world, item);
        };
        while (places.some(isBusy)) this.advance(1);
        const again = places.filter((key) => (world.item(key)?.spec as ApplicationSpec | undefined)?.automated);
        if (again.length > 0) throw new Error(`${again.join(", ")} sync by themselves again`);
        return;
      }
      case "mark":
        this.setMetadata(action.object, action);
        return;
      case "up-with-upsert":
      case "up":
        this.up(action.do === "up-with-upsert", interruptedAfter);
        return;
      case "verify":
        for (let second = 0; second < 60 && HOSTS.some((host) => problemsOf(world, host).length > 0); second++)
          this.advance(1);
        return;
      case "remove-application-without-cascade": {
        const key = applicationKey(action.application);
        const item = world.item(key);
        if (item === undefined) return;
        item.spec = { ...item.spec, cascades: false };
        world.remove(key);
        this.advance(1);
        return;
      }
      default:
        throw new Error(`the article's cluster needs no ${action.do}`);
    }
  }

  private undoOne(action: PreparingAction): void {
    if (action.do === "stop-sync") this.setAutomated(action.application, action.before !== null);
    if (action.do === "mark") this.setMetadata(action.object, action.before);
  }

  private setAutomated(application: Place, automated: boolean): void {
    const { world } = this;
    const item = world.item(applicationKey(application));
    if (item === undefined) return;
    world.update(keyOf(item), { ...item.spec, automated });
    // A call takes its time, in which ArgoCD may be at work.
    this.advance(0.1);
  }

  private setMetadata(object: Parameters<typeof keyOf>[0], said: Metadata): void {
    const item = this.world.item(keyOf(object));
    if (item === undefined) return;
    const labels = patched(item.spec.labels as Spec | undefined, said.labels);
    const annotations = patched(item.spec.annotations as Spec | undefined, said.annotations);
    const { labels: _, annotations: __, ...spec } = item.spec;
    item.spec = { ...spec, ...(labels && { labels }), ...(annotations && { annotations }) };
    this.advance(0.1);
  }

  private up(upsert: boolean, interruptedAfter: number | undefined): void {
    const { graph } = this.article;
    const { made, unready } = this.progress;
    const told = { state: this.state, latencies: this.latencies, upsert, made, unready };
    const outcome = replayUp(graph, { ...told, ...(interruptedAfter !== undefined && { interruptedAfter }) });
    this.state = outcome.world.state;
    Object.assign(this.progress, { made: new Set([...made, ...outcome.made]), unready: outcome.unready });
    const [failure] = outcome.failures;
    if (failure !== undefined) throw new Error(`up fails at ${failure.name}: ${failure.reason}`);
  }
}

interface Metadata {
  readonly labels: Readonly<Record<string, string | null>>;
  readonly annotations: Readonly<Record<string, string | null>>;
}

/** A merge patch; nothing where nothing is left. */
function patched(there: Spec | undefined, patch: Metadata["labels"]): Spec | undefined {
  const left = Object.entries({ ...there, ...patch }).filter(([, value]) => value !== null);
  return left.length === 0 ? undefined : Object.fromEntries(left);
}

const applicationKey = ({ namespace, name }: Place) => `Application ${namespace}/${name}`;

/** The workloads of a state of which pods were replaced, sorted. */
export const rolledIn = ({ items }: State): string[] =>
  Object.values(items)
    .filter(({ kind, status }) => kind !== "CustomResourceDefinition" && Number(status.rolls ?? 0) > 0)
    .map(({ name }) => name)
    .sort();

/** What differs between two states, by key, but for clocks and what controllers note for themselves. */
export function differing(before: State, after: State): string[] {
  const keys = [...new Set([...Object.keys(before.items), ...Object.keys(after.items)])];
  const seen = (state: State, key: string) => {
    const item = state.items[key];
    // As it is in the world's file, which has nothing for undefined.
    return item && JSON.parse(JSON.stringify({ spec: item.spec, ready: item.ready }));
  };
  return keys.filter((key) => !isDeepStrictEqual(seen(before, key), seen(after, key))).sort();
}
