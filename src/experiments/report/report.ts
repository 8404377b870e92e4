import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { ioError, writeFileAtomically } from "../../io/index.js";
import type { Language, ReportDocument } from "./document.js";
import { reportCsv } from "./csv.js";
import { type GatherOptions, gatherFacts } from "./facts.js";
import { reportPage } from "./html/page.js";
import { reportLatex } from "./latex.js";
import { makeDocument } from "./make-document.js";
import { reportMarkdown } from "./markdown.js";
import { type Texts, textsIn } from "./messages/index.js";

/** Forms of a report: a page, or tables for papers and programs. */
export const reportFormats = ["html", "csv", "markdown", "latex"] as const;
export type ReportFormat = (typeof reportFormats)[number];

export interface ReportOptions extends GatherOptions {
  readonly language: Language;
  readonly format: ReportFormat;
  /** Whether pictures of the data are embedded; only a page has any. */
  readonly images: boolean;
}

const renderers: Readonly<Record<ReportFormat, (document: ReportDocument, texts: Texts) => string>> = {
  html: reportPage,
  csv: reportCsv,
  markdown: reportMarkdown,
  latex: reportLatex,
};

/**
 * The report of a run or of a sweep, whole, as text. Nothing of the test split is read but what `compare --final` left.
 * @throws EchoDuetError as `compare` and `auditData`; `data` for a number without its source
 */
export async function makeReport(options: ReportOptions): Promise<string> {
  const { language, format } = options;
  const texts = textsIn(language);
  const facts = await gatherFacts(options);
  options.onProgress(`report: ${format}, ${language}`);
  const images = options.images && format === "html";
  return renderers[format](await makeDocument({ facts, texts, images }), texts);
}

/**
 * Writes a report to `file`, atomically; its folder is made where there is none.
 * @throws EchoDuetError as `makeReport`; `io` where the file system refuses
 */
export async function writeReport(file: string, options: ReportOptions): Promise<void> {
  const folder = dirname(file);
  try {
    mkdirSync(folder, { recursive: true });
  } catch (error) {
    throw ioError(folder, "created", error);
  }
  writeFileAtomically(file, await makeReport(options));
}
