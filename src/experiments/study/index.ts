/** Studies: every design on one data set within a budget of hours, from the audit to the recommendation. */
export { type Protocol, protocols } from "./protocols.js";
export { type StudyOptions, type StudyResult, study, studyFiles } from "./study.js";
