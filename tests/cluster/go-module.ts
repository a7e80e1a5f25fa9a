import { execFile } from "node:child_process";
import { promisify } from "node:util";

/**
 * Where Go keeps a module, which it downloads first: the module proxy serves what charts' makers publish where no chart
 * repository is reached.
 *
 * @throws when Go cannot download it
 */
export async function directoryOf(module: string, version: string): Promise<string> {
  // Not -mod=vendor or =readonly, which a go.mod around may ask for.
  const env = { ...process.env, GOWORK: "off", GOFLAGS: "-mod=mod" };
  const args = ["mod", "download", "-json", `${module}@${version}`];
  const { stdout } = await promisify(execFile)("go", args, { env, cwd: import.meta.dirname }).catch((error) => {
    const { stdout, message } = error as { stdout?: string; message: string };
    throw new Error(`no ${module}@${version}, which comes by go mod download: ${stdout || message}`);
  });
  return (JSON.parse(stdout) as { Dir: string }).Dir;
}
