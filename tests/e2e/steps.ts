import { beforeEach } from "vitest";

/** Has each test of a suite go on from the one before: after one that failed, those that follow are skipped. */
export function goOnStepByStep(): void {
  let hasFailed = false;
  beforeEach((context) => {
    if (hasFailed) context.skip("an earlier step failed");
    context.onTestFailed(() => {
      hasFailed = true;
    });
  });
}
