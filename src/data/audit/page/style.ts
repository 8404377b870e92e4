/** The page's style sheet: light, for screens and paper, without anything from the network. */
export const style = `
:root { --ink: #1d2430; --soft: #5b6675; --line: #dde2e8; --error: #b3261e; --warning: #9a6700; --fine: #1a7f4b; }
* { box-sizing: border-box; }
body { margin: 0; background: #f4f6f8; color: var(--ink); font: 15px/1.5 system-ui, sans-serif; overflow-wrap: break-word; }
main { max-width: 1080px; margin: 0 auto; padding: 28px 20px 60px; }
h1 { font-size: 26px; margin: 0 0 2px; }
h2 { font-size: 19px; margin: 0 0 12px; }
h3 { font-size: 15px; margin: 18px 0 6px; }
p { margin: 6px 0; max-width: 80ch; }
code, .file { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; font-size: 12.5px; overflow-wrap: anywhere; }
.path { color: var(--soft); }
section, .tile { background: #fff; border: 1px solid var(--line); border-radius: 8px; }
section { padding: 18px 20px; margin: 18px 0; }
.tiles { display: flex; flex-wrap: wrap; gap: 12px; margin: 18px 0; }
.tile { padding: 10px 18px; min-width: 118px; }
.tile b { display: block; font-size: 24px; font-variant-numeric: tabular-nums; }
.tile span { color: var(--soft); }
.tile.error b { color: var(--error); }
.tile.warning b { color: var(--warning); }
.tile.fine b { color: var(--fine); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: 13.5px; margin: 6px 0 12px; }
th, td { padding: 4px 12px 4px 0; text-align: left; border-bottom: 1px solid var(--line); vertical-align: top; }
th { color: var(--soft); font-weight: 600; }
th.n, td.n { text-align: right; padding: 4px 10px; font-variant-numeric: tabular-nums; }
td.n .file, td.n .left { text-align: left; }
figure { margin: 10px 0 16px; }
figcaption { color: var(--soft); font-size: 13px; margin-top: 2px; }
.charts { display: flex; flex-wrap: wrap; gap: 8px 24px; }
.charts svg, figure svg { max-width: 100%; height: auto; }
.finding { border-left: 4px solid var(--line); padding: 2px 0 2px 14px; margin: 14px 0; }
.finding.error { border-color: var(--error); }
.finding.warning { border-color: var(--warning); }
.finding h3 { margin: 0; }
.finding .severity { text-transform: uppercase; font-size: 11.5px; letter-spacing: .04em; }
.finding.error .severity { color: var(--error); }
.finding.warning .severity { color: var(--warning); }
.finding ul { margin: 4px 0; padding-left: 18px; font-size: 13.5px; }
summary { cursor: pointer; color: var(--soft); font-size: 13.5px; }
.bar { display: inline-flex; width: 120px; height: 11px; vertical-align: middle; border-radius: 2px; overflow: hidden; }
.bar i { display: block; height: 100%; }
.gallery { display: grid; grid-template-columns: repeat(auto-fill, minmax(230px, 1fr)); gap: 14px; }
.gallery figure { margin: 0; }
.gallery .pair { grid-column: span 2; display: grid; grid-template-columns: 1fr 1fr; gap: 6px; }
.gallery .pair figcaption { grid-column: 1 / 3; }
.picture { position: relative; background: #000; }
.picture img { display: block; width: 100%; }
.picture svg { position: absolute; inset: 0; width: 100%; height: 100%; }
footer { color: var(--soft); font-size: 13px; }
@media print {
  body { background: #fff; font-size: 12px; }
  main { max-width: none; padding: 0; }
  section, .tile { border-radius: 0; }
  .finding, figure, tr { break-inside: avoid; }
  summary { display: none; }
}
`;
