/** How many replicas everything gets: `small` is one, `production` two or more, spread over nodes. */
export type Size = "small" | "production";
