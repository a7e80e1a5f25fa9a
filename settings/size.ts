import * as v from "valibot";
import { oneOf, says } from "./fields.ts";

export const size = says(
  "small: one replica each, 360m CPU and 1008Mi requested in all, which fits Always Free. production: two or more, disruption budgets, spread over nodes, autoscaled Istio; Reflector stays at one.",
  v.optional(oneOf("small", "production"), "small"),
);

/** How many replicas everything gets: `small` is one, `production` two or more, spread over nodes. */
export type Size = v.InferOutput<typeof size>;
