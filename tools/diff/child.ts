import { revisionsIn } from "./record.ts";

// The process of `planInChild`: plans the stacks that it is named, and sends them to its parent.

const [directory = "", ...stacks] = process.argv.slice(2);
process.send?.(await revisionsIn(directory, stacks));
