import { join } from "node:path";
import { type Binary, type FindOptions, findBinary, pinOf } from "./binary.ts";

const goModule = "github.com/pulumi/pulumi/pkg/v3";

/**
 * Version that is downloaded or built, without a leading "v". Source: the pin in `sandbox/go.mod`.
 * Loading this module throws when the pin is missing.
 */
export const engineVersion: string = pinOf(join(import.meta.dirname, "go.mod"), goModule);

/** The first CLI that calls the program's hooks on every error: https://github.com/pulumi/pulumi/releases/tag/v3.244.0 */
const oldest = { major: 3, minor: 244 };

function accepted(output: string): string | undefined {
  const [, version, major, minor] = /^v?((\d+)\.(\d+)\.\d+(?:[-+]\S+)?)$/.exec(output) ?? [];
  return Number(major) === oldest.major && Number(minor) >= oldest.minor ? version : undefined;
}

/**
 * Finds a Pulumi CLI that the Automation API of this project accepts, version 3.244 or newer, below 4: on PATH, in the
 * cache, by the official download, or built (four to five minutes on two cores).
 *
 * @throws Error when no way works, with the reason for each and what to do.
 */
export const findEngine = (options?: FindOptions): Promise<Binary> =>
  findBinary(
    {
      by: "sandbox engine",
      name: "Pulumi",
      purpose: "Pulumi CLI for the sandbox",
      executable: "pulumi",
      version: engineVersion,
      check: {
        args: ["version"],
        // Without the variable the CLI asks the network for a newer version first.
        env: { PULUMI_SKIP_UPDATE_CHECK: "true" },
        read: accepted,
        allowed: `version ${oldest.major}.${oldest.minor} or newer, below ${oldest.major + 1}`,
      },
      release: {
        directory: "https://get.pulumi.com/releases/sdk",
        file: (platform, arch) =>
          ["linux", "darwin"].includes(platform) && ["x64", "arm64"].includes(arch)
            ? `pulumi-v${engineVersion}-${platform}-${arch}.tar.gz`
            : undefined,
        covers: "linux and darwin on x64 and arm64 (the Windows archive is a zip)",
        checksums: () => `pulumi-${engineVersion}-checksums.txt`,
        member: "pulumi/pulumi",
      },
      source: {
        directory: import.meta.dirname,
        package: `${goModule}/cmd/pulumi`,
        ldflags: `-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v${engineVersion}`,
        takes: "four to five minutes on two cores",
      },
      install: "install Pulumi: https://www.pulumi.com/docs/install/",
    },
    options,
  );
