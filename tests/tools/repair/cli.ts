import type { PulumiCli } from "../../../tools/lib/pulumi.ts";

/** A CLI that remembers its calls; each answer is what it fails with, or nothing. */
export function cli(...answers: ((args: string[]) => Promise<string> | string)[]) {
  const calls: string[] = [];
  const pulumi: PulumiCli = {
    async read(args) {
      calls.push(args.join(" ").replace(/\S+state\.json/, "<file>"));
      const said = await answers.shift()?.(args);
      return { code: said ? 255 : 0, stdout: "", stderr: said ?? "" };
    },
    show: () => Promise.reject(new Error("nothing is shown")),
  };
  return { pulumi, calls };
}
export const fileOf = (args: string[]) => args[args.indexOf("--file") + 1] ?? "";
