import { readFile } from "node:fs/promises";
import type { Command } from "commander";
import { certificateBudget } from "./doctor/certificates.ts";
import { main, printer, stackOption, type Terminal, toolCommand, yesOption } from "./lib/command.ts";
import { pulumiCli } from "./lib/pulumi.ts";
import { operator } from "./lib/question.ts";
import { certificateIn, promote } from "./promote/promotion.ts";
import { kubeConfigOf, settingsOf } from "./stack.ts";
import { verify } from "./verify/verify.ts";

// From Let's Encrypt's staging to production, with a look at everything before and after.

const SUMMARY = `From Let's Encrypt's staging to production: verifies what is up, counts the certificates of this week, sets
acme.server, previews, asks, runs up, and verifies again with a certificate that was really issued. Unless the answer is
yes, acme.server is what it was.`;

interface PromoteOptions {
  readonly stack: string;
  readonly roots?: string;
  readonly ignoreBudget?: true;
  readonly yes?: true;
}

/** `npm run promote`. */
export const promoteCommand = (terminal: Terminal): Command =>
  toolCommand("promote", SUMMARY, terminal)
    .addOption(stackOption())
    .option("--roots <file>", "PEM of Let's Encrypt's staging roots; without it, whether they are trusted is left out")
    .option("--ignore-budget", "goes on when the certificate logs cannot be asked")
    .addOption(yesOption())
    .action(async ({ stack, roots, ignoreBudget, yes }: PromoteOptions) => {
      const ask = operator(terminal, yes);
      const settings = await settingsOf(stack);
      const kubeConfig = await kubeConfigOf(settings.cluster);
      const staging = roots === undefined ? undefined : await readFile(roots, "utf8");
      await promote({
        stack,
        settings,
        verify: (server) => verify({ settings, kubeConfig, ...(server === "staging" && { roots: staging }) }),
        hasStagingRoots: staging !== undefined,
        issuedThisWeek: async () => (await certificateBudget(settings)).sameNames,
        ignoreBudget,
        certificate: () => certificateIn(kubeConfig),
        pulumi: pulumiCli(),
        approve: () => ask("Go on, and have production issue a certificate?"),
        pause: () => new Promise((resolve) => setTimeout(resolve, 1000)),
        log: printer(terminal),
      });
    });

await main(import.meta, promoteCommand);
