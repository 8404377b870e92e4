/** Reports of runs and sweeps, in several languages and forms; no number without its source. */
export {
  type Counted,
  type DataProvenance,
  type Language,
  languages,
  type Measured,
  type Provenance,
  type ReportDocument,
  type ReportFormat,
  reportFormats,
} from "./document.js";
export { assertProvenance } from "./provenance.js";
export { makeReport, type ReportOptions, writeReport, writeReports } from "./report.js";
