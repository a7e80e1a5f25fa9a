import { defineConfig } from "vitest/config";

/** Files that run the whole program in processes of their own, as the engine does. */
const inProcesses = ["workflows/plan", "workflows/comment", "tools/diff/revisions"].map((it) => `tests/${it}.test.ts`);

/** Files that need the engine, a cluster or minutes, and have a command of their own. */
const apart = ["tests/schedules/**", "tests/engine/**", ...inProcesses, "tests/cluster/**", "tests/e2e/e2e.test.ts"];

/** What holds of the sources' text, where every mutation shows: those that it is tried on must not see it. */
const ofTheText = "tests/house.test.ts";

/** Milliseconds for a test, and for what goes before and after it: many times what the slowest takes. */
const within = (ms: number) => ({ testTimeout: ms, hookTimeout: ms });

export default defineConfig({
  test: {
    // The tests are measured on two cores; more would only make them wait for each other's processes.
    maxWorkers: 2,
    projects: [
      {
        test: {
          name: "unit",
          include: ["tests/**/*.test.ts"],
          exclude: [...apart, ofTheText],
          ...within(60_000),
          // Half of the time goes into loading the SDK anew for each file. So files share a process, and what a test
          // changes of it is undone.
          isolate: false,
          restoreMocks: true,
          unstubEnvs: true,
        },
      },
      { test: { name: "house", include: [ofTheText], ...within(60_000) } },
      { test: { name: "schedules", include: ["tests/schedules/**/*.test.ts"], ...within(300_000) } },
      { test: { name: "engine", include: ["tests/engine/**/*.test.ts", ...inProcesses], ...within(1_200_000) } },
      {
        test: {
          name: "cluster",
          include: ["tests/cluster/**/*.test.ts"],
          globalSetup: "tests/cluster/setup.ts",
          ...within(300_000),
        },
      },
      // A cloud's own pace: load balancers, certificates, images.
      { test: { name: "e2e", include: ["tests/e2e/e2e.test.ts"], ...within(3_600_000) } },
    ],
  },
});
