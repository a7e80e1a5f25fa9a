import { readFile, rename, writeFile } from "node:fs/promises";
import { lock } from "proper-lockfile";
import type { State } from "./world/state.ts";
import { openWorld, usualLatencies } from "./world/systems.ts";
import type { Latencies, World } from "./world/world.ts";

/** The world in a file, with its clock tied to the real one. */
interface Stored {
  /** Real seconds for each virtual second. */
  scale: number;
  /** The virtual time at a real one, in milliseconds since the epoch. */
  since: { real: number; virtual: number };
  latencies: Latencies;
  state: State;
}

/** The world as several processes share it: a file, one of them at a time. */
export class Cloud {
  readonly file: string;
  #queue: Promise<unknown> = Promise.resolve();

  /** @param file path of the world's JSON file, which {@link start} makes */
  constructor(file: string) {
    this.file = file;
  }

  /**
   * Starts the world's clock, on a new world or where a former run left it.
   *
   * @param state used when there is no file yet
   * @param scale real seconds for each virtual second, above 0
   */
  async start(state: State, scale: number, latencies: Latencies = usualLatencies): Promise<void> {
    const former = await this.#read().catch(() => undefined);
    const world = former?.state ?? state;
    await this.#write({ scale, since: { real: Date.now(), virtual: world.now }, latencies, state: world });
  }

  /** The state of the world, for those who only look. */
  async look(): Promise<State> {
    return (await this.#read()).state;
  }

  /**
   * Does something in the world of this moment, while no other process can.
   *
   * @returns its result, and the real milliseconds until something else happens by itself
   */
  async visit<T>(visitor: (world: World) => T): Promise<{ result: T; nextMs: number; world: World }> {
    const visit = this.#queue.then(async () => {
      // A killed process leaves its lock behind; it is stale as soon as nobody renews it.
      const release = await lock(this.file, { stale: 5000, retries: { retries: 1000, minTimeout: 5, maxTimeout: 50 } });
      try {
        const stored = await this.#read();
        const world = openWorld(stored.state, stored.latencies);
        const { real, virtual } = stored.since;
        world.advance(virtual + (Date.now() - real) / 1000 / stored.scale);
        try {
          const result = visitor(world);
          const next = world.nextEvent === undefined ? Infinity : (world.nextEvent - world.now) * stored.scale * 1000;
          return { result, nextMs: Math.ceil(next), world };
        } finally {
          await this.#write({ ...stored, state: world.state });
        }
      } finally {
        await release();
      }
    });
    this.#queue = visit.catch(() => undefined);
    return visit;
  }

  async #read(): Promise<Stored> {
    return JSON.parse(await readFile(this.file, "utf8"));
  }

  async #write(stored: Stored): Promise<void> {
    const draft = `${this.file}.${process.pid}`;
    await writeFile(draft, JSON.stringify(stored));
    await rename(draft, this.file);
  }
}
