import type { Settings } from "../../settings/settings.ts";
import type { Run } from "../lib/checks.ts";

/** The environment of a run: tokens, and the PATH with the `oci` CLI. */
export type Env = Readonly<Record<string, string | undefined>>;

/** Milliseconds after which the doctor gives up. */
export interface Limits {
  /** A call over HTTP. */
  readonly callMs: number;
  /** A command of the `oci` CLI, which takes some to start. */
  readonly ociMs: number;
  /** A search of the certificate logs, which are large and take their time. */
  readonly logMs: number;
  /** A whole check; the longest are those that start the `oci` CLI. */
  readonly checkMs: number;
}

/** What each part of the doctor is told. */
export interface Examination {
  /** The stack's name, for the commands that are advised. */
  readonly stack: string;
  readonly settings: Settings;
  readonly env: Env;
  readonly limits: Limits;
  readonly run: Run;
}
