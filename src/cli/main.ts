#!/usr/bin/env node
import { Command } from "commander";
import { echoduetVersion } from "../training/index.js";
import { auditCommand } from "./commands/audit.js";
import { convertCommand } from "./commands/convert.js";
import { demoCommand } from "./commands/demo.js";
import { exportCommand } from "./commands/export.js";
import { infoCommand } from "./commands/info.js";
import { predictCommand } from "./commands/predict.js";
import { repairCommand } from "./commands/repair.js";
import { simulateCommand } from "./commands/simulate.js";
import { splitCommand } from "./commands/split.js";
import { trainCommand } from "./commands/train.js";
import { valCommand } from "./commands/val.js";
import { reportError } from "./format-error.js";

const program = new Command("echoduet")
  .description(
    "Trains object detection and view classification together on echocardiograms, measures them and deploys them.",
  )
  .version(echoduetVersion)
  .showHelpAfterError("(--help tells the options)")
  .exitOverride();
const commands = [
  auditCommand,
  trainCommand,
  valCommand,
  predictCommand,
  exportCommand,
  infoCommand,
  demoCommand,
  convertCommand,
  splitCommand,
  repairCommand,
  simulateCommand,
];
for (const command of commands) program.addCommand(command().exitOverride());

try {
  await program.parseAsync();
} catch (error) {
  reportError(error);
}
