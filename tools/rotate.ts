import type { Command } from "commander";
import { main, printer, stackOption, type Terminal, toolCommand, yesOption } from "./lib/command.ts";
import { pulumiCli } from "./lib/pulumi.ts";
import { operator } from "./lib/question.ts";
import { proofText, rotate } from "./rotate/rotation.ts";
import { kubeConfigOf, settingsOf } from "./stack.ts";

// Rotates the Cloudflare token: an `up` with the next serial, and the proof that the cluster has the new token.

const SUMMARY = `Replaces the Cloudflare token: raises cloudflare.tokenSerial by one, previews, asks, runs up, and waits until the cluster
holds the new token. The token before stays valid until the next rotation. A run that was stopped goes on with the serial
that it had raised. With cloudflare.token "supplied", the new value is the one that is set as cloudflareApiToken.

With Vault inside the cluster: npm run vault -- run --stack <name> <keys> -- npm run rotate -- --stack <name>`;

/** `npm run rotate`. */
export const rotateCommand = (terminal: Terminal): Command =>
  toolCommand("rotate", SUMMARY, terminal)
    .addOption(stackOption())
    .addOption(yesOption())
    .action(async ({ stack, yes }: { stack: string; yes?: true }) => {
      const ask = operator(terminal, yes);
      const log = printer(terminal);
      const { vault, cluster } = await settingsOf(stack);
      if (vault === undefined)
        throw new Error(`cloudflare.token is "none" in stack ${stack}: there is no token to rotate`);
      const rotation = await rotate({
        stack,
        token: vault.token.kind,
        pulumi: pulumiCli(),
        kubeConfig: await kubeConfigOf(cluster),
        approve: () => ask("Rotate the token?"),
        log,
      });
      if (rotation === undefined) throw new Error("nothing is rotated: nobody said yes");
      log(proofText(rotation));
    });

await main(import.meta, rotateCommand);
