import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { ioError, writeFileAtomically } from "../../io/index.js";
import type { Language, ReportDocument, ReportFormat } from "./document.js";
import { reportCsv } from "./csv.js";
import { type GatherOptions, gatherFacts, type ReportFacts } from "./facts.js";
import { reportPage } from "./html/page.js";
import { reportLatex } from "./latex.js";
import { makeDocument } from "./make-document.js";
import { reportMarkdown } from "./markdown.js";
import { type Texts, textsIn } from "./messages/index.js";

/** What is reported, and in which form. */
export interface ReportOptions extends GatherOptions {
  readonly language: Language;
  readonly format: ReportFormat;
  /** Embeds pictures of the data, which other forms than a page have no place for. */
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
 * @throws EchoDuetError as `compare` and `runAudit`; `data` for a number without its source
 */
export async function makeReport(options: ReportOptions): Promise<string> {
  return render(await gatherFacts(options), options);
}

/**
 * Writes a report to `file`, atomically; its folder is made where there is none.
 * @throws EchoDuetError as `makeReport`; `io` where the file system refuses
 */
export async function writeReport(file: string, options: ReportOptions): Promise<void> {
  await writeReports({ [options.language]: file }, options);
}

/**
 * Writes a report in several languages, gathered once, as `writeReport` does.
 * @param files path by language
 */
export async function writeReports(
  files: Readonly<Partial<Record<Language, string>>>,
  options: Omit<ReportOptions, "language">,
): Promise<void> {
  const entries = Object.entries(files) as [Language, string][];
  // Before anything that takes time.
  for (const [, file] of entries) makeFolder(dirname(file));
  const facts = await gatherFacts(options);
  for (const [language, file] of entries) {
    writeFileAtomically(file, await render(facts, { ...options, language }));
  }
}

async function render(
  facts: ReportFacts,
  { language, format, images, onProgress }: ReportOptions,
): Promise<string> {
  const texts = textsIn(language);
  onProgress(`report: ${format}, ${language}`);
  const document = await makeDocument({ facts, texts, images: images && format === "html" });
  return renderers[format](document, texts);
}

function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true });
  } catch (error) {
    throw ioError(folder, "created", error);
  }
}
