/** Reports of runs and sweeps, in several languages and forms; no number without its source. */
export {
  type Counted,
  type DataProvenance,
  type Language,
  languages,
  type Measured,
  type Provenance,
  type ReportDocument,
} from "./document.js";
export { assertProvenance } from "./provenance.js";
export {
  makeReport,
  type ReportFormat,
  type ReportOptions,
  reportFormats,
  writeReport,
  writeReports,
} from "./report.js";
