import type { PulumiCli } from "../../tools/lib/pulumi.ts";

/** A Pulumi CLI with one stack, that remembers what it was asked. */
export class FakePulumi implements PulumiCli {
  /** The stack's file, by path. */
  readonly config = new Map<string, string>();
  /** What Pulumi.yaml says where the stack's file says nothing, by path. */
  readonly defaults = new Map([["oke-platform:cloudflare", "{}"]]);
  /** Every call, in its order. */
  readonly calls: string[] = [];
  /** The stack's outputs. */
  outputs: object = {};
  /** Exit code of a preview. */
  preview = 0;
  /** An `up`; its exit code. */
  up: () => number = () => 0;

  async read(args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
    this.calls.push(args.join(" "));
    const [verb, what, , path = "", value = ""] = args;
    if (verb === "stack") return { code: 0, stdout: JSON.stringify(this.outputs), stderr: "" };
    const inside = [...this.config.keys()].filter((key) => key.startsWith(`${path}.`));
    const found = this.config.get(path) ?? (inside.length > 0 ? "{ … }" : this.defaults.get(path));
    if (what === "get" && found === undefined)
      return { code: 255, stdout: "", stderr: `error: configuration key '${path}' not found for stack 'prod'\n` };
    if (what === "get") return { code: 0, stdout: `${found}\n`, stderr: "" };
    if (what === "rm") for (const key of [path, ...inside]) this.config.delete(key);
    else this.config.set(path, value);
    return { code: 0, stdout: "", stderr: "" };
  }

  async show(args: string[]): Promise<number> {
    this.calls.push(args.join(" "));
    return args[0] === "preview" ? this.preview : this.up();
  }

  /** The calls that change or show something. */
  changing(): string[] {
    return this.calls.filter((call) => /^(config (set|rm)|preview|up)/.test(call));
  }
}
