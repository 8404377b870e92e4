#!/usr/bin/env node
import { Command } from "commander";
import { echoduetVersion } from "../training/versions.js";
import { commandsFor } from "./commands/index.js";
import { reportError } from "./format-error.js";

const program = new Command("echoduet")
  .description(
    "Trains object detection and view classification together on echocardiograms, measures them and deploys them.",
  )
  .version(echoduetVersion)
  .showHelpAfterError("(--help tells the options)")
  .exitOverride();

try {
  for (const command of await commandsFor(process.argv.slice(2))) program.addCommand(command.exitOverride());
  await program.parseAsync();
} catch (error) {
  reportError(error);
}
