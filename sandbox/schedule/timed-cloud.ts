import type * as pulumi from "@pulumi/pulumi";
import { plain } from "../../project/registration.ts";
import { keyOf, type State } from "../world/state.ts";
import { openWorld } from "../world/systems.ts";
import type { Latencies, World } from "../world/world.ts";
import { asked, isMade } from "./graph.ts";
import type { Happening } from "./outcome.ts";
import { willingCloud } from "./willing-cloud.ts";

/** A program under mocks that is answered when the world's virtual clock says so. */
export interface TimedCloud {
  readonly mocks: pulumi.runtime.Mocks;
  /** Runs the clock until the program asks for nothing more. */
  run(program: Promise<unknown>): Promise<void>;
  readonly happenings: Happening[];
  readonly world: World;
}

/**
 * Whether the system still owes this process an answer: the SDK's server of hooks looks its own address up before it
 * listens, and a busy machine is late with that.
 */
const waitsForSystem = () => process.getActiveResourcesInfo().some((resource) => /Req/.test(resource));

/** Answers a program under mocks from a world, each resource when it is ready. */
export function timedCloud(state: State, latencies: Latencies): TimedCloud {
  const world = openWorld(state, latencies);
  const willing = willingCloud(state);
  const happenings: Happening[] = [];
  const waiting = new Map<string, { name: string; answer: () => void }>();
  let activity = 0;
  return {
    world,
    happenings,
    mocks: {
      call: willing.call,
      async newResource(args) {
        const { name } = args;
        const answer = await willing.newResource(args);
        activity += 1;
        if (!isMade(args)) return answer;
        happenings.push({ at: world.now, what: "begins", name });
        const key = keyOf(world.create(asked({ ...args, inputs: plain(args.inputs) })));
        return new Promise((resolve) => waiting.set(key, { name, answer: () => resolve(answer) }));
      },
    },
    async run(program) {
      let over = false;
      const ended = program.finally(() => {
        over = true;
      });
      while (!over) {
        // The program is at rest when it has asked for nothing in so many turns of the event loop.
        for (let before = -1, turns = 0; turns < 20 && !over; turns++) {
          if (before !== activity || waitsForSystem()) [before, turns] = [activity, 0];
          await new Promise((resolve) => setImmediate(resolve));
        }
        const ready = [...waiting].filter(([key]) => world.item(key)?.ready);
        for (const [key, { name, answer }] of ready) {
          waiting.delete(key);
          happenings.push({ at: world.now, what: "done", name });
          activity += 1;
          answer();
        }
        if (ready.length === 0 && world.nextEvent !== undefined && waiting.size > 0) world.advance(world.nextEvent);
      }
      await ended;
    },
  };
}
