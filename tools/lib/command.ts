import { Command, CommanderError, Option } from "commander";
import { projectDirectory, stacksIn } from "../../project/stack.ts";
import { withoutCredentials } from "../../settings/addresses.ts";

// The skeleton of every tool: its arguments and their help declared once, one main guard, one way to word errors.

/** Where a command reads and prints, and how it says that it has ended: `process`, or a test's own. */
export interface Terminal {
  readonly stdin: NodeJS.ReadableStream & { readonly isTTY?: boolean };
  readonly stdout: NodeJS.WritableStream;
  readonly stderr: NodeJS.WritableStream;
  /** @default 0 */
  exitCode?: NodeJS.Process["exitCode"];
}

/** Makes a tool's command anew: one is good for one run. */
export type MakeCommand = (terminal: Terminal) => Command;

/**
 * A command, without its options and its action.
 *
 * @param script its name in package.json
 * @param summary what its help begins with
 */
export const toolCommand = (script: string, summary: string, { stdout }: Terminal): Command =>
  new Command(`npm run ${script} --`)
    .description(summary)
    .helpOption("--help", "prints this")
    .helpCommand(false)
    .exitOverride()
    // Commander's own way out is not wanted: `run` words all errors.
    .configureOutput({ writeOut: (text) => void stdout.write(text), outputError: () => {} });

/** `--stack`, which a command of one stack cannot do without: a default would be a stack that somebody else meant. */
export const stackOption = () => new Option("--stack <name>", "the stack of Pulumi.<name>.yaml").makeOptionMandatory();

/** `--yes`, of a command that asks. */
export const yesOption = () => new Option("--yes", "does not ask");

/** Prints a line. */
export const printer =
  ({ stdout }: Terminal) =>
  (line: string): void =>
    void stdout.write(`${line}\n`);

/** What is said of an error: its message, never its stack, and never a login that is in a URL. */
export const wordsOf = (error: unknown): string =>
  withoutCredentials(error instanceof Error ? error.message : String(error));

/**
 * Runs a command line. What its action throws is said on stderr, and ends it with 1.
 *
 * @param args without the program's own name; none explains a command that consists of others
 */
export async function run(make: MakeCommand, args: readonly string[], terminal: Terminal): Promise<void> {
  const command = make(terminal);
  const explains = args.length === 0 && command.commands.length > 0;
  try {
    await command.parseAsync(explains ? ["--help"] : args, { from: "user" });
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return;
    terminal.exitCode = 1;
    terminal.stderr.write(`${error instanceof CommanderError ? await usageError(command, error) : wordsOf(error)}\n`);
  }
}

/** What is wrong with a command line, and where its help is. */
async function usageError(command: Command, { code, message }: CommanderError): Promise<string> {
  const help = `${command.name()} --help`;
  if (code === "commander.missingMandatoryOptionValue" && message.includes("--stack ")) {
    const stacks = (await stacksIn(projectDirectory)).join(", ") || "none";
    return `--stack is missing: the <name> of a Pulumi.<name>.yaml; there are: ${stacks}. See ${help}`;
  }
  return `${message.replace(/^error: /, "")}\nSee ${help}`;
}

/**
 * The end of every tool's file: runs its command when it is the file that was started, and leaves the process.
 *
 * @param meta `import.meta` of the tool's file
 */
export async function main({ main: isStarted }: ImportMeta, make: MakeCommand): Promise<void> {
  if (!isStarted) return;
  // What nobody waits for, such as a call that the SDK has made by itself.
  process.on("uncaughtException", (error) => {
    process.stderr.write(`${wordsOf(error)}\n`);
    process.exit(1);
  });
  await run(make, process.argv.slice(2), process);
  // What was written to a pipe may be on its way still.
  for (const stream of [process.stdout, process.stderr]) await new Promise((done) => stream.write("", done));
  // A kubeconfig's credential plugin that hangs would keep the process otherwise.
  process.exit();
}
