import { parseDocument } from "yaml";
import { settings } from "./fields.ts";

/** Pulumi.yaml with the sentence of each setting as its description; all else in it stays, comments too. */
export function withDescriptions(projectFile: string): string {
  const document = parseDocument(projectFile);
  for (const [name, { sentence }] of Object.entries(settings))
    document.setIn(["config", name, "description"], sentence);
  return document.toString({ lineWidth: 0 });
}
