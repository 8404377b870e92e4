/** Audits as pages; apart from the audit itself, so that only who writes a page loads the charts. */
export { auditPage } from "./page.js";
