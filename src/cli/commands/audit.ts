import { Command, Option } from "commander";
import type { AuditReport, Severity } from "../../data/audit/index.js";
import type { WrittenPlan } from "../../data/repair/index.js";
import { writeFileAtomically } from "../../io/index.js";
import { exitCodes } from "../format-error.js";
import { jsonOption, parseCount } from "../options.js";

const failLevels = ["error", "warning", "never"] as const;

interface AuditCommandOptions {
  readonly json?: boolean;
  readonly html?: string;
  readonly fix?: string;
  readonly force?: boolean;
  readonly images: boolean;
  readonly failOn: (typeof failLevels)[number];
  readonly workers?: number;
}

/** `echoduet audit DATA.YAML`: what is in a data set, and what is wrong with it. */
export function auditCommand(): Command {
  return new Command("audit")
    .description(
      "count what is in a data set and find what is wrong with it: labels, leakage, duplicates, shift",
    )
    .argument("<data>", "data.yaml")
    .option("--html <file>", "write the audit as one page with charts and pictures, too")
    .option("--fix <file>", "write a plan of repairs, too, to read, edit and give to `repair --plan`")
    .option("--force", "let --fix write over a plan that was edited")
    .option("--no-images", "do not open the images: no duplicates, colours or burnt-in text")
    .addOption(
      new Option("--fail-on <severity>", "least severity of a finding that ends with exit code 1")
        .choices(failLevels)
        .default("error"),
    )
    .option("--workers <n>", "images decoded at a time; by default one a core", (text) => parseCount(text))
    .addOption(jsonOption())
    .action(run);
}

async function run(
  data: string,
  { json, html, fix, force, images, failOn, workers }: AuditCommandOptions,
): Promise<void> {
  const { runAudit } = await import("../../data/audit/index.js");
  const { refuseEditedPlan, writeRepairPlan } = await import("../../data/repair/index.js");
  const { formatAudit } = await import("../audit-text.js");
  // Before the images are decoded, which takes its time.
  if (fix !== undefined && !force) refuseEditedPlan(fix);
  const audit = await runAudit(data, { images, workers, onProgress });
  const { report } = audit;
  if (html !== undefined) {
    // The charts take a while to load, and only a page needs them.
    const { auditPage } = await import("../../data/audit/page/index.js");
    writeFileAtomically(html, await auditPage(audit));
  }
  process.stdout.write(`${json ? JSON.stringify(report, null, 2) : formatAudit(report)}\n`);
  if (fix !== undefined) process.stderr.write(`${formatPlan(writeRepairPlan(audit, fix, { force }))}\n`);
  if (fails(report, failOn)) process.exitCode = exitCodes.userError;
}

/** Whether a finding is as severe as `failOn`. */
function fails({ findings }: AuditReport, failOn: AuditCommandOptions["failOn"]): boolean {
  const severities: Record<AuditCommandOptions["failOn"], readonly Severity[]> = {
    error: ["error"],
    warning: ["error", "warning"],
    never: [],
  };
  return findings.some(({ severity }) => severities[failOn].includes(severity));
}

function formatPlan({ file, actions, switchedOn, undecided }: WrittenPlan): string {
  return `${file}: ${actions} actions, ${switchedOn} switched on, ${undecided} undecided; read and edit it, then \`echoduet repair --plan\``;
}

function onProgress(done: number, total: number): void {
  if (process.stderr.isTTY) process.stderr.write(`\r${done}/${total} images${done === total ? "\n" : ""}`);
}
