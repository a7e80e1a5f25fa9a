import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { StackConfig } from "../settings/config.ts";
import { SEALED } from "../settings/fields.ts";
import { placeholdersOf } from "./placeholders.ts";
import { engineText, parseYaml, type YamlValue } from "./yaml.ts";

// What sandbox and tools know of a stack: its configuration, as the engine would hand it to the program.

export type { StackConfig } from "../settings/config.ts";

/** Where the project's own files are. */
export const projectDirectory = fileURLToPath(new URL("..", import.meta.url));

/**
 * Reads a stack's configuration: its own file, and what Pulumi.yaml says where that says nothing.
 *
 * Secrets stay sealed, since none of their values is needed here. Where the file imports environments, the Pulumi CLI is
 * asked for all of it, because Pulumi Cloud alone knows what is in them.
 *
 * @param stack its name, with or without organisation and project
 * @param directory where Pulumi.yaml is
 * @param placeholders what stands in the place of its `<…>`. @default - examples in the stacks that are shipped as such
 * @throws when there is no such file, when the CLI would not read it either, or when the CLI cannot be asked
 */
export async function readStack(
  stack: string,
  directory = projectDirectory,
  placeholders: Readonly<Record<string, string>> = placeholdersOf(stack),
): Promise<StackConfig> {
  const { file, project, config, environment } = await openStack(stack, directory);
  if (!isEmpty(environment)) return askCli(stack, file, directory);
  return inFile(file, (said) => configOf(mapIn(said), project, placeholders), config);
}

/** The names of a project's stacks, by their files, sorted. */
export async function stacksIn(directory: string): Promise<string[]> {
  const { stackDirectory } = await openProject(directory);
  const files = await readdir(join(directory, stackDirectory));
  return files.flatMap((file) => /^Pulumi\.(.+)\.yaml$/.exec(file)?.[1] ?? []).sort();
}

/** Digests of what is encrypted in a stack's file, by path: enough to see that it is another. */
export async function ciphersIn(stack: string, directory: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  const visit = (value: YamlValue | undefined, path: string): void => {
    const inner = Array.isArray(value) ? [...value.entries()] : value instanceof Map ? [...value] : [];
    const [[key, cipher] = []] = inner;
    if (inner.length === 1 && key === "secure" && typeof cipher === "string")
      found[path] = createHash("sha256").update(cipher).digest("hex");
    else for (const [at, item] of inner) visit(item, path === "" ? String(at) : `${path}.${at}`);
  };
  visit((await openStack(stack, directory)).config, "");
  return found;
}

async function openProject(directory: string): Promise<Project> {
  const why = "every stack belongs to a project, whose file that is";
  return inFile("Pulumi.yaml", projectIn, await fileIn(directory, "Pulumi.yaml", why));
}

/** A stack's file as it stands. */
async function openStack(stack: string, directory: string) {
  const project = await openProject(directory);
  const place = join(directory, project.stackDirectory);
  const file = `Pulumi.${stack.slice(stack.lastIndexOf("/") + 1)}.yaml`;
  const source = await fileIn(place, file, "a stack is named by its file, prod by Pulumi.prod.yaml");
  const { config, environment } = inFile(file, (text) => mapIn(parseYaml(text)), source);
  return { file, project, config, environment };
}

/** What Pulumi.yaml says of every stack. */
interface Project {
  readonly name: string;
  /** Where the stacks' files are, seen from the project's. */
  readonly stackDirectory: string;
  /** By full key, as the engine hands them over. */
  readonly defaults: Readonly<Record<string, string>>;
}

function projectIn(source: string): Project {
  const { name, stackConfigDir, config } = mapIn(parseYaml(source));
  // Where the files are was in `config`, before that told what they hold.
  const stackDirectory = typeof config === "string" ? config : stackConfigDir;
  const defaults: Record<string, string> = {};
  for (const [key, declaration] of Object.entries(config instanceof Map ? mapIn(config) : {})) {
    // `key: 5` is short for `key: { default: 5 }`, or for `value` where the key belongs to somebody else.
    const { default: byDefault, value } = declaration instanceof Map ? mapIn(declaration) : { value: declaration };
    const holds = byDefault ?? value ?? null;
    if (holds !== null) defaults[fullKey(key, String(name))] = engineText(holds);
  }
  return { name: String(name), stackDirectory: String(stackDirectory ?? ""), defaults };
}

function configOf(
  config: Readonly<Record<string, YamlValue>>,
  { name, defaults }: Project,
  placeholders: Readonly<Record<string, string>>,
): StackConfig {
  const said = new Map<string, YamlValue>();
  for (const [key, value] of Object.entries(config)) {
    const full = fullKey(key, name);
    // Which of the two the CLI takes is chance.
    if (said.has(full)) throw new Error(`${full} is there twice; remove one`);
    said.set(full, value);
  }
  const sealed = [...said].filter(([, value]) => isSealed(value)).map(([key]) => key);
  const values = [...said].map(([key, value]) => [
    key,
    sealed.includes(key) ? SEALED : engineText(fill(value, placeholders)),
  ]);
  return { values: { ...defaults, ...Object.fromEntries(values) }, secrets: sealed, sealed };
}

/** The key with its namespace: https://github.com/pulumi/pulumi/blob/v3.259.0/sdk/go/common/resource/config/key.go */
function fullKey(key: string, project: string): string {
  const [namespace, ...names] = key.split(":");
  if (names.length === 0) return `${project}:${namespace}`;
  if (names.length === 2 && names[0] === "config") return `${namespace}:${names[1]}`;
  if (names.length > 1) throw new Error(`${key} is no key of a configuration; allowed: <name> or <namespace>:<name>`);
  return key;
}

/** Whether a value is a secret or holds one, however deep. */
function isSealed(value: YamlValue): boolean {
  if (Array.isArray(value)) return value.some(isSealed);
  if (!(value instanceof Map)) return false;
  return (value.size === 1 && typeof value.get("secure") === "string") || [...value.values()].some(isSealed);
}

/** Puts something in the place of texts, however deep. */
function fill(value: YamlValue, placeholders: Readonly<Record<string, string>>): YamlValue {
  if (typeof value === "string") return Object.hasOwn(placeholders, value) ? (placeholders[value] ?? value) : value;
  if (Array.isArray(value)) return value.map((item) => fill(item, placeholders));
  if (!(value instanceof Map)) return value;
  return new Map([...value].map(([key, item]) => [key, fill(item, placeholders)]));
}

/** All of a stack's configuration, as the Pulumi CLI has it once it has opened the environments; no secret is shown. */
async function askCli(stack: string, file: string, directory: string): Promise<StackConfig> {
  const args = ["config", "--json", "--open", "--stack", stack, "--non-interactive"];
  const { stdout } = await promisify(execFile)("pulumi", args, { cwd: directory }).catch((error) => {
    const { code, stderr } = error as { code?: number | string; stderr?: string };
    const why =
      code === "ENOENT"
        ? "which is not on PATH; https://www.pulumi.com/docs/install/"
        : `which says: ${stderr?.trim()}; pulumi whoami tells who is logged in`;
    throw new Error(`${file} imports environments, so that its values come from the Pulumi CLI, ${why}`);
  });
  const told = Object.entries(JSON.parse(stdout) as Record<string, { value?: string; secret: boolean }>);
  const sealed = told.filter(([, { secret }]) => secret).map(([key]) => key);
  return {
    values: Object.fromEntries(told.map(([key, { value, secret }]) => [key, secret ? SEALED : (value ?? "")])),
    secrets: sealed,
    sealed,
  };
}

const isEmpty = (value: YamlValue | undefined) =>
  value === undefined || value === null || (Array.isArray(value) && value.length === 0);

/** A map whose keys are text; nothing is an empty one. */
function mapIn(value: YamlValue | undefined): Record<string, YamlValue> {
  if (value === undefined || value === null) return {};
  if (!(value instanceof Map)) throw new Error(`${engineText(value)} stands where a map belongs`);
  const [wrong] = [...value.keys()].filter((key) => typeof key !== "string");
  if (wrong !== undefined) throw new Error(`the key ${String(wrong)} is no text`);
  return Object.fromEntries(value) as Record<string, YamlValue>;
}

async function fileIn(directory: string, file: string, hint: string): Promise<string> {
  return readFile(join(directory, file), "utf8").catch(() => {
    throw new Error(`${file} is not in ${directory}; ${hint}`);
  });
}

/** Says in which file a mistake is. */
function inFile<From, To>(file: string, read: (from: From) => To, from: From): To {
  try {
    return read(from);
  } catch (error) {
    // A parser's message goes on with the lines around the mistake.
    throw new Error(`${file}: ${(error as Error).message.split("\n")[0]}`, { cause: error });
  }
}
