import { echoduetVersion } from "../../training/index.js";
import type { SectionContext } from "./context.js";
import type { ReportDocument, Section } from "./document.js";
import { costSection } from "./sections/cost.js";
import { dataSection } from "./sections/data-card.js";
import { detectionSection } from "./sections/detection.js";
import { gallerySection } from "./sections/gallery.js";
import { patientSection } from "./sections/patients.js";
import { resultSections } from "./sections/results.js";
import { screeningSection } from "./sections/screening.js";
import { statisticsSection } from "./sections/statistics.js";
import { trainingSection } from "./sections/training.js";
import { verdictSection } from "./sections/verdict.js";
import { viewSection } from "./sections/views.js";
import { assertProvenance } from "./provenance.js";
import { measured, name } from "./values.js";

/**
 * The report of a run or a sweep as a document, in the language of its texts.
 * @throws EchoDuetError `data` for a number without its source, or an image that cannot be read
 */
export async function makeDocument(context: SectionContext): Promise<ReportDocument> {
  const { facts, texts, images } = context;
  const { say } = texts;
  const { compared, sweep, detailed, predicted } = facts;
  const sections = [
    verdictSection(context),
    ...resultSections(context),
    sweep === null ? null : statisticsSection(context),
    costSection(context),
    screeningSection(context),
    detectionSection(context),
    viewSection(context),
    patientSection(context),
    await gallerySection(context),
    trainingSection(context),
    dataSection(context),
  ].filter((section): section is Section => section !== null && section.blocks.length > 0);
  const all = compared.validation.provenance.map(({ run, checkpointSha256, dataFingerprint, split }) => ({
    run,
    checkpointSha256,
    dataFingerprint,
    split,
  }));
  const scored = compared.validation.designs.filter(({ seeds }) => seeds.length > 0);
  const document: ReportDocument = {
    language: texts.language,
    title:
      sweep === null
        ? say("report.title.run", { run: name(detailed.runs[0].name) })
        : say("report.title.sweep", { sweep: name(sweep.sweep.name) }),
    lead: [
      sweep === null
        ? say("report.lead.run", { model: name(detailed.runs[0].config.model) })
        : say("report.lead.sweep", {
            designs: measured(scored.length, "integer", all),
            runs: measured(all.length, "integer", all),
          }),
      say(images && predicted.frames.length > 0 ? "report.embedded" : "report.notEmbedded"),
    ],
    sections,
    version: echoduetVersion,
  };
  assertProvenance(document);
  return document;
}
