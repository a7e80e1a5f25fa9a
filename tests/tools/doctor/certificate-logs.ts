import { answering, type Reply } from "../../loopback.ts";

// The search of the certificate logs, as crt.sh answers.

/** A certificate as crt.sh tells of it. */
export interface LogEntry {
  issuer_ca_id: number;
  issuer_name: string;
  common_name: string;
  name_value: string;
  id: number;
  entry_timestamp: string;
  not_before: string;
  not_after: string;
  serial_number: string;
}

/** What the search finds; "overloaded" is how it often is. */
export type Logs = readonly LogEntry[] | "overloaded";

/** Starts the search. */
export const startLogs = (logs: Logs): Promise<string> => answering(({ url }) => answer(logs, url));

function answer(entries: Logs, url: URL): Reply {
  if (entries === "overloaded") return { status: 502, body: "<html>502 Bad Gateway</html>" };
  if (url.searchParams.get("output") !== "json") return { body: "<html></html>" };
  const searched = url.searchParams.get("q") ?? "";
  // The names are those that the search found in the certificate.
  return { body: entries.filter(({ name_value: names }) => names.includes(searched)) };
}

/** A certificate in the logs, twice as every one is. */
export function logged(
  serial: string,
  timestamp: string,
  names: string[],
  issuer = "C=US, O=Let's Encrypt, CN=E7",
): LogEntry[] {
  return [1, 2].map((id) => ({
    issuer_ca_id: 295_815,
    issuer_name: issuer,
    common_name: "",
    name_value: names.join("\n"),
    id: Number.parseInt(serial, 16) * 2 + id,
    entry_timestamp: timestamp,
    not_before: timestamp.slice(0, 19),
    not_after: "2027-02-20T00:00:00",
    serial_number: serial,
  }));
}
