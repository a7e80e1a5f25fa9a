import type { Registration } from "../../project/record.ts";
import type { AskCloudflare } from "../lib/cloudflare-api.ts";
import { failureOf } from "../lib/http.ts";
import { RECORD, rivalAt } from "../repair/cloudflare.ts";
import { importFile } from "../repair/import-command.ts";
import { knownIn, type State } from "../repair/state.ts";
import type { Json } from "./actions.ts";
import { type Row, row } from "./plan.ts";

/** A record at Cloudflare in the place of one of the program's. */
export interface RecordToImport {
  readonly urn: string;
  /** What `pulumi import --file` reads. */
  readonly file: Json;
  readonly row: Row;
}

/** The records that stand where the program would make its own; a second one would answer beside the first. */
export async function recordsToImport(
  registrations: readonly Registration[],
  domain: string,
  state: State,
  cloudflare: () => AskCloudflare,
): Promise<{ records: RecordToImport[]; rows: Row[] }> {
  const records: RecordToImport[] = [];
  const rows: Row[] = [];
  for (const registration of registrations) {
    const { type, urn, inputs } = registration;
    if (type !== RECORD || knownIn(state, urn) !== undefined) continue;
    const name = String(inputs.name);
    const subject = `DNS record ${name}`;
    try {
      const rival = await rivalAt({ domain, name }, cloudflare());
      if (rival === undefined) continue;
      const { id, type: kind, content } = rival;
      if (kind !== "A")
        rows.push(
          row(
            "refuse",
            subject,
            `is a ${kind}, of which no A record can be made`,
            "make an A record of it at Cloudflare",
          ),
        );
      else
        records.push({
          urn,
          file: importFile(registration, id, state) as Json,
          row: row("take", subject, `is there, to ${content}; becomes the stack's`),
        });
    } catch (error) {
      rows.push(
        row(
          "refuse",
          subject,
          `may be there; Cloudflare could not be asked: ${failureOf(error)}`,
          "see to that, and run this again",
        ),
      );
    }
  }
  return { records, rows };
}
