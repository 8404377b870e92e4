import type { Command } from "commander";
import { auditCommand } from "./audit.js";
import { augmentCommand } from "./augment.js";
import { capsuleCommand } from "./capsule.js";
import { compareCommand } from "./compare.js";
import { convertCommand } from "./convert.js";
import { curvesCommand } from "./curves.js";
import { demoCommand } from "./demo.js";
import { exportCommand } from "./export.js";
import { infoCommand } from "./info.js";
import { interferenceCommand } from "./interference.js";
import { predictCommand } from "./predict.js";
import { repairCommand } from "./repair.js";
import { replayCommand } from "./replay.js";
import { reportCommand } from "./report.js";
import { simulateCommand } from "./simulate.js";
import { splitCommand } from "./split.js";
import { studyCommand } from "./study.js";
import { sweepCommand } from "./sweep.js";
import { trainCommand } from "./train.js";
import { valCommand } from "./val.js";

/** Every command, in the order in which the help lists them: the data first, then models. */
export const commands: readonly (() => Command)[] = [
  auditCommand,
  convertCommand,
  repairCommand,
  splitCommand,
  simulateCommand,
  augmentCommand,
  trainCommand,
  sweepCommand,
  studyCommand,
  capsuleCommand,
  replayCommand,
  curvesCommand,
  valCommand,
  compareCommand,
  reportCommand,
  interferenceCommand,
  predictCommand,
  exportCommand,
  infoCommand,
  demoCommand,
];
