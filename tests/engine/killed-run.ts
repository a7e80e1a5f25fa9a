import { LocalWorkspace, PulumiCommand } from "@pulumi/pulumi/automation/index.js";
import { runProgram } from "../../project/program.ts";

// One `up` of a sandbox that is there, in a process of its own as a user's is, for `killedAt` in repairing.ts. A killed
// engine leaves its program half done, and clients that go on looking for its ports: they would turn the next engine away
// that gets such a port, and gRPC calls that fail so end a program as if it had registered all there is.

/** What the process is told, as JSON, in its only argument. */
export interface KilledRun {
  readonly stackName: string;
  readonly projectName: string;
  readonly workDir: string;
  readonly envVars: Record<string, string>;
  /** Directory with the engine below it, as `bin/pulumi`. */
  readonly engine: string;
  readonly parallel?: number;
}

const { stackName, projectName, workDir, envVars, engine, ...options }: KilledRun = JSON.parse(process.argv[2] ?? "");
const stack = await LocalWorkspace.selectStack(
  { stackName, projectName, program: () => runProgram() },
  { workDir, envVars, pulumiCommand: await PulumiCommand.get({ root: engine }) },
);
await stack.up(options).then(
  () => console.log("done"),
  (error: Error) => console.log(error.message.includes("SIGKILL") ? "killed" : error.message),
);
// What the killed engine has left would keep it alive.
process.exit();
