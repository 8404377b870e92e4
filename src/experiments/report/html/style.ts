/** The page's style sheet: light, for screens, phones and paper, without anything from the network. */
export const pageStyle = `
:root { --ink: #1d2430; --soft: #515c6b; --line: #d5dbe2; --link: #00548a; --good: #0b5d1e; --paper: #fff; }
* { box-sizing: border-box; }
html { scroll-padding-top: 12px; }
body { margin: 0; text-autospace: normal; background: #f4f6f8; color: var(--ink); font-size: 15px; line-height: 1.55; font-family: "DejaVu Sans", "Noto Sans TC", "Noto Sans CJK TC", "PingFang TC", "Microsoft JhengHei", Verdana, system-ui, sans-serif; }
main { max-width: 1160px; margin: 0 auto; padding: 24px 16px 60px; }
h1 { font-size: 25px; line-height: 1.25; margin: 0 0 8px; overflow-wrap: anywhere; }
h2 { font-size: 20px; margin: 0 0 8px; }
h3 { font-size: 16px; margin: 18px 0 4px; overflow-wrap: anywhere; }
figcaption h3 { margin: 0 0 2px; }
p { margin: 4px 0 10px; max-width: 92ch; }
a { color: var(--link); }
.skip { position: absolute; left: -9999px; }
.skip:focus { left: 8px; top: 8px; background: #fff; padding: 8px 12px; z-index: 9; }
:focus-visible { outline: 3px solid #0072b2; outline-offset: 2px; }
nav ol { display: flex; flex-wrap: wrap; gap: 2px 18px; list-style: none; margin: 12px 0 4px; padding: 0; }
nav a { display: inline-block; padding: 6px 0; }
section { background: var(--paper); border: 1px solid var(--line); border-radius: 8px; padding: 16px 18px; margin: 16px 0; }
.verdict { border-left: 5px solid var(--good); padding: 4px 14px; margin: 8px 0 12px; background: #f2f9f4; }
.verdict h3 { font-size: 18px; margin: 6px 0; }
.notes { border-left: 5px solid #9a6700; background: #fff9eb; margin: 8px 0; padding: 8px 14px 8px 32px; }
li { margin: 3px 0; overflow-wrap: anywhere; max-width: 92ch; }
.source { color: var(--soft); font-size: 12.5px; font-weight: 400; overflow-wrap: anywhere; }
caption .source { display: block; }
.name { overflow-wrap: anywhere; }
.wide { overflow-x: auto; margin: 10px 0 16px; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: 13.5px; min-width: min(460px, 100%); }
caption { text-align: left; font-weight: 600; padding: 2px 0 6px; max-width: 92ch; }
th, td { padding: 5px 12px 5px 0; text-align: left; border-bottom: 1px solid var(--line); vertical-align: top; }
th .name, td .name { overflow-wrap: normal; }
thead th { word-break: keep-all; color: var(--soft); font-weight: 600; vertical-align: bottom; }
tbody th { font-weight: 500; min-width: 9ch; max-width: 34ch; overflow-wrap: anywhere; }
td.n, th.n { text-align: right; padding: 5px 8px; font-variant-numeric: tabular-nums; }
td.from { font-size: 12px; color: var(--soft); min-width: 20ch; }
.interval { color: var(--soft); white-space: nowrap; font-size: 12px; }
td data { white-space: nowrap; }
td .interval { display: block; }
#table-data-findings td:nth-last-child(-n+3), #table-data-findings td:last-child { min-width: 22ch; overflow-wrap: anywhere; }
.matrix td, .matrix th { padding: 7px 12px; border: 1px solid var(--line); }
code { font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; font-size: 12.5px; overflow-wrap: anywhere; }
.hash { overflow-wrap: anywhere; min-width: 24ch; }
th button { font: inherit; color: inherit; background: none; border: 0; padding: 2px 0; cursor: pointer; text-align: inherit; }
th button::after { content: "\\00a0↕"; color: var(--soft); font-size: 11px; }
th[aria-sort="ascending"] button::after { content: " ↑"; }
th[aria-sort="descending"] button::after { content: " ↓"; }
.filter { display: block; margin: 10px 0 0; font-size: 13.5px; }
.filter input { font: inherit; margin-left: 8px; padding: 4px 8px; border: 1px solid #6b7685; border-radius: 5px; max-width: 60vw; }
figure { margin: 18px 0; min-width: 0; }
.charts { display: grid; gap: 10px 16px; grid-template-columns: minmax(0, 1fr); }
.charts > div { min-width: 0; }
.chart-title { font-weight: 600; font-size: 13.5px; margin: 6px 0 0; overflow-wrap: anywhere; }
.drawing svg { display: block; width: 100%; height: auto; }
.drawing.of1 { min-width: 620px; } .drawing.of2 { min-width: 400px; } .drawing.of3 { min-width: 300px; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 16px; list-style: none; padding: 0; margin: 4px 0; font-size: 13.5px; }
.legend li { display: inline-flex; align-items: center; gap: 8px; margin: 0; }
.legend i { display: inline-block; width: 28px; flex: none; }
details { margin: 6px 0 12px; }
summary { cursor: pointer; color: var(--link); padding: 4px 0; }
.gallery { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(280px, 100%), 1fr)); gap: 16px; }
.gallery figure { margin: 0; }
.picture figcaption { font-size: 13px; overflow-wrap: anywhere; margin-top: 4px; }
.frame { position: relative; background: #000; }
.frame img { display: block; width: 100%; height: auto; }
.frame svg { position: absolute; inset: 0; width: 100%; height: 100%; }
.picture button { font: inherit; font-size: 13px; color: var(--link); background: #fff; border: 1px solid var(--line); border-radius: 5px; padding: 4px 10px; margin-top: 6px; cursor: pointer; min-height: 28px; }
dialog { border: 0; border-radius: 8px; padding: 14px; width: min(1000px, 96vw); }
dialog::backdrop { background: rgba(0, 0, 0, .6); }
footer { color: var(--soft); font-size: 13px; }
@media (min-width: 760px) { .charts.columns2, .charts.columns3 { grid-template-columns: repeat(2, minmax(0, 1fr)); } }
@media (min-width: 1060px) { .charts.columns3 { grid-template-columns: repeat(3, minmax(0, 1fr)); } }
@media (max-width: 600px) { section { padding: 12px; } .interval { white-space: normal; } }
@page { margin: 14mm; }
@media print {
  body { background: #fff; font-size: 11px; }
  main { max-width: none; padding: 0; }
  nav, .skip, .filter, .picture button { display: none; }
  th button::after { content: ""; }
  section { border: 0; padding: 6px 0; }
  .wide, .scroll { overflow: visible; }
  table { font-size: 9px; min-width: 0; }
  th, td, td.n, th.n { padding: 3px 6px 3px 0; }
  .interval, .source, td.from, code { font-size: .9em; }
  td.from { min-width: 12ch; overflow-wrap: anywhere; }
  td data { white-space: normal; }
  .charts.columns2 { grid-template-columns: repeat(2, minmax(0, 1fr)); }
  .charts.columns3 { grid-template-columns: repeat(3, minmax(0, 1fr)); }
  .drawing.of1, .drawing.of2, .drawing.of3 { min-width: 0; }
  .interval { white-space: normal; }
  figure, tr, .verdict, .legend { break-inside: avoid; }
  h2, h3, caption { break-after: avoid; }
  .gallery { grid-template-columns: repeat(3, 1fr); }
}
`;
