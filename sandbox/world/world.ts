import { fails, type Item, keyOf, nextRandom, Refusal, type Request, type Spec, type State, sha256 } from "./state.ts";
import { cancel, schedule } from "./timers.ts";

// Objects, a clock, and what happens when. What a kind of object is and does is told by its system; the world is given
// the systems and knows none of them.

/** Seconds that things take, by kind, chart or duration. */
export type Latencies = Readonly<Record<string, number>>;

/** How a kind of object behaves: how it is named, what refuses it, how long it takes and what comes of it. */
export interface Kind {
  /** Its identifier, where that follows from its name in a way of its own. @default - a digest of kind and name */
  id?(request: Omit<Request, "spec">): string;
  /** Whether several may have the same name. @default false */
  readonly sharesName?: boolean;
  /** Whether a create replaces what is there. @default false */
  readonly overwrites?: boolean;
  /** Takes over what is there, as a create that may do so. @default - its system cannot */
  apply?(world: World, there: Item, spec: Spec): Item;
  /** How its system says that a name is taken. */
  taken?(request: Request): string;
  /** Refuses what the system refuses at once, on create and on update. */
  admit?(world: World, request: Request): void;
  /** Refuses an update. @default - what is refused of a create */
  admitChange?(world: World, item: Item): void;
  admitRemoval?(world: World, item: Item): void;
  /** Usual seconds until it is ready, or until its controller has had its first look. @default - nobody asks for it */
  readonly seconds?: number;
  /** What a create does. @default - it is ready after its seconds */
  start?(world: World, item: Item): void;
  /** What an update does. @default - the same as a create */
  change?(world: World, item: Item): void;
  /** Seconds of a removal. @default 0.5 */
  removalSeconds?(item: Item): number;
  /** What ends as soon as its removal begins. */
  leaving?(world: World, item: Item): void;
  /** What goes with it. */
  removed?(world: World, item: Item): void;
}

/** What happens to an object by itself, some time after what causes it; `step` is the timer's. */
export type Happening = (world: World, item: Item, step: number) => void;

/** One of the systems that the platform meets. */
export interface System {
  /** The kinds of its objects. */
  readonly kinds: Readonly<Record<string, Kind>>;
  /** What happens by itself, by names that are its own among all systems'. */
  readonly happenings?: Readonly<Record<string, Happening>>;
  /** Usual seconds of what takes time beside its objects. */
  readonly durations?: Latencies;
  /** What its controllers do when any system's object is stored, changed or gets ready. */
  seen?(world: World, item: Item): void;
  /** What its controllers do when any system's object is gone. */
  gone?(world: World, item: Item): void;
  /** Why the pods of a workload do not start; undefined when they do. */
  podRefusal?(world: World, workload: Item): string | undefined;
  /** What must never be, and is. */
  violations?(world: World): string[];
}

export class World {
  readonly state: State;
  readonly latencies: Latencies;
  readonly #systems: readonly System[];
  readonly #kinds: Record<string, Kind>;
  readonly #happenings: Record<string, Happening>;
  /** The state's objects once more, for those who ask for all of a kind. */
  readonly #byKind = new Map<string, Map<string, Item>>();

  constructor(systems: readonly System[], state: State, latencies: Latencies) {
    this.state = state;
    this.latencies = latencies;
    this.#systems = systems;
    this.#kinds = Object.assign({}, ...systems.map(({ kinds }) => kinds));
    this.#happenings = Object.assign({ done, removed }, ...systems.map(({ happenings }) => happenings));
    for (const [key, item] of Object.entries(state.items)) this.#ofKind(item.kind).set(key, item);
  }

  /** Virtual seconds since the world was made. */
  get now(): number {
    return this.state.now;
  }

  /** When something next happens by itself; undefined when nothing will. */
  get nextEvent(): number | undefined {
    return this.state.timers[0]?.at;
  }

  item(key: string): Item | undefined {
    return this.state.items[key];
  }

  /** All objects of a kind. */
  items(kind: string): Item[] {
    return [...this.#ofKind(kind).values()];
  }

  byId(id: unknown): Item | undefined {
    return Object.values(this.state.items).find((item) => item.id === id);
  }

  /** Seconds that a kind, a chart or anything else takes here. */
  seconds(what: string): number {
    const seconds = this.latencies[what];
    if (seconds === undefined) throw new Error(`the world does not know how long ${what} takes`);
    return seconds;
  }

  /** @throws for a kind that no system has */
  kind(name: string): Kind {
    const found = this.#kinds[name];
    if (found === undefined) throw new Error(`the world knows no ${name}`);
    return found;
  }

  /** Lets everything happen that is due until then, in order. */
  advance(to: number): void {
    const { timers } = this.state;
    for (let timer = timers[0]; timer !== undefined && timer.at <= to; timer = timers[0]) {
      timers.shift();
      this.state.now = Math.max(this.now, timer.at);
      const item = this.item(timer.key);
      // A timer of an object that was changed or deleted since then speaks of what is no more.
      const counts =
        item?.generation === timer.generation && (timer.what === "removed" || !this.state.broken.includes(timer.key));
      if (item && counts) this.#happenings[timer.what]?.(this, item, timer.step);
      this.#observe();
    }
    this.state.now = Math.max(this.now, to);
  }

  /** @throws {Refusal} when the system does not take it */
  create(request: Request, upsert = false): Item {
    this.#fail("create", request.kind);
    const { admit, overwrites, sharesName, taken, apply } = this.kind(request.kind);
    admit?.(this, request);
    const there = sharesName ? undefined : this.item(keyOf(request));
    if (there !== undefined && upsert && apply) return apply(this, there, request.spec);
    if (there !== undefined && !overwrites) throw new Refusal(taken?.(request) ?? `${request.name} already exists`);
    const item = this.#store(sharesName ? { ...request, name: this.#freeName(request) } : request);
    item.status = there?.status ?? {};
    item.generation = (there?.generation ?? 0) + 1;
    item.ready = false;
    this.seen(item);
    this.start(item);
    this.#observe();
    return item;
  }

  /** @throws {Refusal} when there is no such object, or the system does not take the change */
  update(key: string, spec: Spec): Item {
    const item = this.item(key);
    if (item === undefined) throw new Refusal(`${key} not found`);
    this.#fail("update", item.kind);
    const kind = this.kind(item.kind);
    if (kind.admitChange) kind.admitChange(this, item);
    else kind.admit?.(this, { ...item, spec });
    item.spec = spec;
    this.renew(item);
    if (kind.change) kind.change(this, item);
    else this.start(item);
    this.#observe();
    return item;
  }

  /**
   * Begins a removal; it is done when the item is gone. What is gone already is no error.
   *
   * @throws {Refusal} when something still needs it, or nobody answers for it any more
   */
  remove(key: string): void {
    const item = this.item(key);
    if (item === undefined) return;
    this.#fail("remove", item.kind);
    const { admitRemoval, removalSeconds, leaving } = this.kind(item.kind);
    admitRemoval?.(this, item);
    item.removing = true;
    this.renew(item);
    leaving?.(this, item);
    this.after(removalSeconds?.(item) ?? 0.5, "removed", item);
  }

  /** Stores an object as it is, with no question asked: what was there before, or what a controller makes. */
  put(request: Request, id?: string): Item {
    const item = this.#store(request, id);
    this.seen(item);
    return item;
  }

  /** Takes an object away at once, with its timers: they do not speak of what may come in its place. */
  removeNow(key: string): void {
    const item = this.item(key);
    delete this.state.items[key];
    cancel(this.state, key);
    if (item === undefined) return;
    this.#ofKind(item.kind).delete(key);
    for (const system of this.#systems) system.gone?.(this, item);
  }

  drop(item: Item): void {
    this.removeNow(keyOf(item));
  }

  /** Does what a create does once more, for what a controller finds when it starts. */
  start(item: Item): void {
    const { start, seconds } = this.kind(item.kind);
    if (start) start(this, item);
    else if (seconds === undefined) throw new Error(`nobody asks for a ${item.kind}`);
    else this.after(this.seconds(item.kind), "done", item);
  }

  /** Tells the controllers of an object that was stored, changed or got ready. */
  seen(item: Item): void {
    for (const system of this.#systems) system.seen?.(this, item);
  }

  /** Why the pods of a workload do not start, by any of the systems; undefined when they do. */
  podRefusal(workload: Item): string | undefined {
    return this.#systems.map((system) => system.podRefusal?.(this, workload)).find((refusal) => refusal !== undefined);
  }

  /** @param step how often it was tried, or which part of a sequence comes */
  after(seconds: number, what: string, item: Item, step = 0): void {
    if (this.#happenings[what] === undefined) throw new Error(`the world knows nothing that is called ${what}`);
    schedule(this.state, { at: this.now + seconds, what, key: keyOf(item), generation: item.generation, step });
  }

  /** Outdates the object's timers. */
  renew(item: Item): void {
    item.generation += 1;
  }

  /** A number from 0 to 1, by the state's seed. */
  random(): number {
    return nextRandom(this.state);
  }

  /** Refuses what is to fail once. */
  #fail(operation: string, kind: string): void {
    if (fails(this.state, operation, kind)) throw new Refusal(`503: the service is unavailable (${operation} ${kind})`);
  }

  #store(request: Request, id?: string): Item {
    const { kind, namespace = "", name, spec } = request;
    const item: Item = {
      kind,
      namespace,
      name,
      // Identifiers follow from names, so that a run can be repeated.
      id: id ?? this.#kinds[kind]?.id?.(request) ?? sha256(keyOf(request)).slice(0, 32),
      spec,
      status: {},
      ready: true,
      reason: "",
      generation: 0,
      removing: false,
    };
    const key = keyOf(request);
    this.state.items[key] = item;
    this.#ofKind(kind).set(key, item);
    return item;
  }

  #ofKind(kind: string): Map<string, Item> {
    const found = this.#byKind.get(kind) ?? new Map<string, Item>();
    this.#byKind.set(kind, found);
    return found;
  }

  /** A name for one more object of what may share a name with others. */
  #freeName(request: Request): string {
    let name = request.name;
    for (let count = 2; this.item(keyOf({ ...request, name })) !== undefined; count++)
      name = `${request.name} (${count})`;
    return name;
  }

  /** Looks for what must never be, and does not forget it. */
  #observe(): void {
    const { violations } = this.state;
    for (const system of this.#systems) {
      for (const found of system.violations?.(this) ?? []) if (!violations.includes(found)) violations.push(found);
    }
  }
}

const done: Happening = (world, item) => {
  item.ready = true;
  item.reason = "";
  world.seen(item);
};

const removed: Happening = (world, item) => {
  world.drop(item);
  world.kind(item.kind).removed?.(world, item);
};
