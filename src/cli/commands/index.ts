import type { Command } from "commander";

/**
 * Every command by name, in the order in which the help lists them: the data first, then models. A command's file
 * holds its options and help, and loads what it does when it runs.
 */
export const commands: Readonly<Record<string, () => Promise<Command>>> = {
  audit: async () => (await import("./audit.js")).auditCommand(),
  convert: async () => (await import("./convert.js")).convertCommand(),
  repair: async () => (await import("./repair.js")).repairCommand(),
  split: async () => (await import("./split.js")).splitCommand(),
  simulate: async () => (await import("./simulate.js")).simulateCommand(),
  augment: async () => (await import("./augment.js")).augmentCommand(),
  train: async () => (await import("./train.js")).trainCommand(),
  sweep: async () => (await import("./sweep.js")).sweepCommand(),
  study: async () => (await import("./study.js")).studyCommand(),
  capsule: async () => (await import("./capsule.js")).capsuleCommand(),
  replay: async () => (await import("./replay.js")).replayCommand(),
  curves: async () => (await import("./curves.js")).curvesCommand(),
  val: async () => (await import("./val.js")).valCommand(),
  compare: async () => (await import("./compare.js")).compareCommand(),
  report: async () => (await import("./report.js")).reportCommand(),
  interference: async () => (await import("./interference.js")).interferenceCommand(),
  predict: async () => (await import("./predict.js")).predictCommand(),
  export: async () => (await import("./export.js")).exportCommand(),
  info: async () => (await import("./info.js")).infoCommand(),
  demo: async () => (await import("./demo.js")).demoCommand(),
};

/** The commands that a command line needs: the one that it names first, none for the version, else all. */
export async function commandsFor([first = ""]: readonly string[]): Promise<Command[]> {
  if (["-V", "--version"].includes(first)) return [];
  const named = Object.hasOwn(commands, first) ? [first] : Object.keys(commands);
  return Promise.all(named.map((name) => commands[name]()));
}
