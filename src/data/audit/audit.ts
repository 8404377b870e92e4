import { loadDataDescription } from "../description.js";
import { checks } from "./checks/index.js";
import { findMixedClips } from "./clips.js";
import type { Evidence } from "./evidence.js";
import { auditImages, duplicateNames } from "./image-audit.js";
import { compareCodeUnits } from "./order.js";
import { rulesOf } from "./rules.js";
import { type DataScan, scanData } from "./scan.js";
import { testShift } from "./shift.js";
import { leakageOf, summarise } from "./summary.js";
import type { AuditReport, Finding, FindingCode } from "./types.js";
import { findBetterOrder, rankViewOrders } from "./view-order.js";

/** What to audit, and how. */
export interface AuditOptions {
  /** Whether to decode the images, for duplicates, colours and burnt-in text. Default true. */
  readonly images?: boolean;
  /** Images decoded at a time. */
  readonly workers?: number;
  /** Told of the images decoded so far. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** A report, and what it was made from. */
export interface Audit {
  readonly report: AuditReport;
  readonly scan: DataScan;
  readonly evidence: Evidence;
}

/**
 * Audits a data set: reads every label file and image of its splits and reports what is in them and what is
 * wrong with them. Faults of labels and images become findings.
 * @throws EchoDuetError `data` for a data.yaml that is not valid
 */
export async function auditData(dataYaml: string, options: AuditOptions = {}): Promise<AuditReport> {
  return (await runAudit(dataYaml, options)).report;
}

/** As `auditData`, with the scan that the report is from. */
export async function runAudit(dataYaml: string, options: AuditOptions = {}): Promise<Audit> {
  const scan = scanData(loadDataDescription(dataYaml));
  const rules = rulesOf(scan.description);
  const images = options.images === false ? null : await auditImages(scan.frames, options);
  const viewOrders = rankViewOrders(scan, rules);
  const evidence: Evidence = {
    scan,
    rules,
    viewOrders,
    betterOrder: findBetterOrder(scan, rules, viewOrders),
    mixedClips: findMixedClips(scan),
    leakage: leakageOf(scan, images ? duplicateNames(images, scan.frames) : []),
    shift: testShift(scan),
    images,
  };
  return {
    report: { summary: summarise(evidence), findings: findingsOf(evidence), viewOrders },
    scan,
    evidence,
  };
}

/** What the checks found, errors first, then by code. */
function findingsOf(evidence: Evidence): Finding[] {
  const findings = Object.entries(checks).flatMap(([code, check]): Finding[] => {
    const { count, files, details, remedy } = check.find(evidence);
    if (count === 0) return [];
    const { severity, unit } = check;
    return [
      { code: code as FindingCode, severity, count, unit, files, remedy: remedy ?? check.remedy, details },
    ];
  });
  return findings.sort(
    (a, b) => compareCodeUnits(a.severity, b.severity) || compareCodeUnits(a.code, b.code),
  );
}
