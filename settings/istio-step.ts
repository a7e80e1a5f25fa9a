import { type SupportTable, support } from "../versions.ts";

/** Why Istio does not go from one version to another, and the version to go to instead. */
interface ForbiddenStep {
  readonly why: string;
  readonly next: string;
}

/**
 * What is wrong with a step of Istio's from one version to another; undefined where nothing is, and for what is no version.
 *
 * https://istio.io/latest/docs/setup/upgrade/helm/: in place from one minor version to the next.
 *
 * @param table what is known of the minor versions on the way
 */
export function forbiddenIstioStep(from: string, to: string, table: SupportTable = support): ForbiddenStep | undefined {
  const [before, after] = [from, to].map(minorOf);
  if (before === undefined || after === undefined) return undefined;
  if (after.major < before.major || (after.major === before.major && after.minor < before.minor))
    return {
      why: `Istio would go back from ${from} to ${to}: what the newer minor version wrote may be unknown to the older`,
      next: from,
    };
  if (after.major > before.major || after.minor <= before.minor + 1) return undefined;
  const minor = `${before.major}.${before.minor + 1}`;
  return {
    why: `Istio would go from ${from} to ${to}, and goes one minor version at a time`,
    // Each begins with a .0, also one that is not known here.
    next: table.Istio[minor]?.newest ?? `${minor}.0`,
  };
}

function minorOf(version: string): { major: number; minor: number } | undefined {
  const [, major, minor] = /^v?(\d+)\.(\d+)\./.exec(version) ?? [];
  return major === undefined ? undefined : { major: Number(major), minor: Number(minor) };
}
