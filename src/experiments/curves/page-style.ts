/** The page's style sheet: light, for screens, phones and paper, without anything from the network. */
export const pageStyle = `
:root { --ink: #1d2430; --soft: #5b6675; --line: #dde2e8; }
* { box-sizing: border-box; }
body { margin: 0; background: #f4f6f8; color: var(--ink); font-size: 15px; line-height: 1.5; overflow-wrap: break-word; }
main { max-width: 1120px; margin: 0 auto; padding: 24px 16px 60px; }
h1 { font-size: 25px; margin: 0 0 12px; }
h2 { font-size: 19px; margin: 0 0 4px; }
p { margin: 4px 0 10px; color: var(--soft); max-width: 90ch; }
nav { display: flex; flex-wrap: wrap; gap: 4px 16px; margin: 14px 0 6px; font-size: 14px; }
nav a { color: #00548a; padding: 4px 0; min-width: 0; }
section { background: #fff; border: 1px solid var(--line); border-radius: 8px; padding: 16px 18px; margin: 16px 0; }
.charts { display: grid; gap: 12px 16px; grid-template-columns: minmax(0, 1fr); }
figure { margin: 0; min-width: 0; }
figcaption { font-weight: 600; font-size: 14px; overflow-wrap: anywhere; }
.chart { width: 100%; }
.legend { display: flex; flex-wrap: wrap; gap: 6px; margin: 0 0 8px; }
.legend button { display: inline-flex; align-items: center; gap: 8px; font: inherit; font-size: 14px; color: inherit; background: #fff; border: 1px solid var(--line); border-radius: 6px; padding: 4px 10px; min-height: 32px; cursor: pointer; overflow-wrap: anywhere; text-align: left; }
.legend button[aria-pressed="false"] { color: #8a94a0; text-decoration: line-through; }
.legend button[aria-pressed="false"] i, .legend button[aria-pressed="false"] .mark { opacity: .25; }
.legend button:focus-visible, nav a:focus-visible { outline: 3px solid #0072b2; outline-offset: 1px; }
.legend i { display: inline-block; width: 26px; flex: none; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: 13.5px; margin: 6px 0 4px; }
th, td { padding: 4px 14px 4px 0; text-align: left; border-bottom: 1px solid var(--line); vertical-align: top; white-space: nowrap; }
thead th { color: var(--soft); font-weight: 600; }
td:last-child { min-width: 24ch; white-space: normal; overflow-wrap: anywhere; }
footer { color: var(--soft); font-size: 13px; }
@media (min-width: 720px) {
  .charts.of2, .charts.of3 { grid-template-columns: repeat(2, minmax(0, 1fr)); }
}
@media (min-width: 1000px) {
  .charts.of3 { grid-template-columns: repeat(3, minmax(0, 1fr)); }
}
@media print {
  body { background: #fff; font-size: 12px; }
  main { max-width: none; padding: 0; }
  nav, .hint { display: none; }
  section { border: 0; padding: 8px 0; }
  .wide { overflow: visible; }
  td { white-space: normal; }
  .charts.of2, .charts.of3 { grid-template-columns: minmax(0, 1fr); }
  figure, tr, p, .legend { break-inside: avoid; }
  h2, h2 + p, .legend { break-after: avoid; }
}
`;
