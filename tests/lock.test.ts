import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { projectDirectory } from "../project/stack.ts";

// What npm installs is what was locked: each archive is held against its digest, whatever registry or mirror it comes from.

it("every entry of the lock file has its integrity, and none the address of a registry", async () => {
  const { packages } = JSON.parse(await readFile(join(projectDirectory, "package-lock.json"), "utf8")) as {
    packages: Record<string, { integrity?: string; resolved?: string; link?: boolean }>;
  };
  const installed = Object.entries(packages).filter(([path]) => path !== "");
  const unheld = installed.filter(([, entry]) => !/^sha512-[A-Za-z0-9+/]+=*$/.test(entry.integrity ?? ""));
  expect(unheld.map(([path]) => path)).toEqual([]);
  expect(installed.filter(([, { resolved, link }]) => resolved !== undefined || link).map(([path]) => path)).toEqual(
    [],
  );
  expect(installed.length).toBeGreaterThan(400);
});
