import { expect, it } from "vitest";
import { keyStoreOf, vaultCommand } from "../../tools/vault.ts";
import { ran } from "./command.ts";

it.each<[string[], string]>([
  [["init"], "--stack is missing"],
  [["open", "--stack", "lab"], "unknown command 'open'"],
  [["policy", "now", "--stack", "lab"], "too many arguments for 'policy'"],
  [["policy", "--stack", "nowhere"], "Pulumi.nowhere.yaml is not in"],
  [["init", "--stack", "lab", "--keys-file", "a"], "still holds the placeholder <zone>"],
  [["unseal", "--stack", "lab"], "where the keys are is missing: --keys-file <path>, or --keys-secret and its options"],
  [["run", "--stack", "lab", "--keys-file", "a", "--", "pulumi", "up"], "still holds the placeholder <zone>"],
])("refuses %s", async (args, words) => {
  expect(await ran(vaultCommand, ...args)).toEqual({ exitCode: 1, stdout: "", stderr: expect.stringContaining(words) });
});

it("explains itself", async () => {
  const { exitCode, stdout } = await ran(vaultCommand);
  expect(exitCode).toBe(0);
  expect(stdout).toMatch(/init .*initialises the Vault.*unseal .*run .*runs a command with.*policy /s);
});

it("takes a place for keys by options that fit together", () => {
  expect(keyStoreOf({})).toBeUndefined();
  expect(keyStoreOf({ keysFile: "a.json" })?.options).toBe("--keys-file a.json");
  const named = { keysSecret: "n", keysVault: "v", keysKey: "k", keysCompartment: "c" };
  expect(keyStoreOf(named)?.options).toBe("--keys-secret n --keys-vault v --keys-key k --keys-compartment c");
  expect(() => keyStoreOf({ keysFile: "a", keysSecret: "n" })).toThrow("are two places; name one");
  expect(() => keyStoreOf({ keysSecret: "n" })).toThrow("--keys-vault are needed together");
});
