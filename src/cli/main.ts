#!/usr/bin/env node
import { Command } from "commander";
import { echoduetVersion } from "../training/index.js";
import { commands } from "./commands/index.js";
import { reportError } from "./format-error.js";

const program = new Command("echoduet")
  .description(
    "Trains object detection and view classification together on echocardiograms, measures them and deploys them.",
  )
  .version(echoduetVersion)
  .showHelpAfterError("(--help tells the options)")
  .exitOverride();
for (const command of commands) program.addCommand(command().exitOverride());

try {
  await program.parseAsync();
} catch (error) {
  reportError(error);
}
