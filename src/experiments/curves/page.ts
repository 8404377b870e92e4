import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { Figure, LegendEntry } from "./figures.js";
import { fontFamily, rawSuffix } from "./line-chart.js";
import { pageScript } from "./page-script.js";
import { pageStyle } from "./page-style.js";
import { escapeXml as escapeHtml } from "./picture.js";
import type { RunHistory } from "./run-history.js";

/** More alarms than this make a page long; `events.jsonl` has them all. */
const mostAlarms = 100;

/** The library in one file, as a browser takes it. */
const library = createRequire(import.meta.url).resolve("echarts/dist/echarts.min.js");

/**
 * All figures as one interactive HTML page that needs nothing else: the charts' library is inside, and the page
 * may load nothing from a network.
 */
export function curvesPage(runs: readonly RunHistory[], figures: readonly Figure[]): string {
  const title = `Training curves: ${runs.map(({ name }) => name).join(", ")}`;
  const charts = figures.flatMap((figure) =>
    figure.charts.map(({ option, kind }) => ({ figure: figure.name, kind, option })),
  );
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:">
<title>${escapeHtml(title)}</title>
<style>body { font-family: ${fontFamily}; }${pageStyle}</style>
</head>
<body><main>
<h1>Training curves</h1>
${runTable(runs)}
<nav aria-label="Figures">${figures.map(({ name, title: to }) => `<a href="#${name}">${escapeHtml(to)}</a>`).join("")}</nav>
<p class="hint">Point at a curve for its numbers; press a name to hide or show it; Ctrl and the wheel, or two fingers, to zoom; double click to see all again.</p>
<noscript><p>The charts need scripts. The same figures lie beside this page as SVG and PNG.</p></noscript>
${figures.map((figure) => section(figure, runs)).join("\n")}
<footer>Made by echoduet curves from the runs' events.jsonl.</footer>
</main>
<script type="application/json" id="charts">${inScript(JSON.stringify(charts))}</script>
<script>${inScript(readFileSync(library, "utf8"))}</script>
<script>const rawSuffix = ${JSON.stringify(rawSuffix)};${pageScript}</script>
</body>
</html>
`;
}

/** Text inside a script element, which ends at the first closing tag: \u003c is the same in strings and in JSON. */
function inScript(content: string): string {
  return content.replace(/<(?=\/script|script|!--)/gi, "\\u003c");
}

function runTable(runs: readonly RunHistory[]): string {
  const rows = runs.map(
    ({ name, path, model, info, steps, epochs }) =>
      `<tr><th scope="row">${escapeHtml(name)}</th>${[
        model,
        String(info.seed),
        String(epochs),
        String(steps),
        `${info.data.path} (${info.data.fingerprint.slice(0, 12)})`,
        info.echoduet,
        path,
      ]
        .map((cell) => `<td>${escapeHtml(cell)}</td>`)
        .join("")}</tr>`,
  );
  const heads = ["run", "model", "seed", "epochs", "steps", "training data", "version", "folder"];
  return table("Runs", heads, rows);
}

function section(
  { name, title, caption, legend, columns, charts }: Figure,
  runs: readonly RunHistory[],
): string {
  const drawn = charts.map(
    (chart) =>
      `<figure>${chart.title === "" ? "" : `<figcaption>${escapeHtml(chart.title)}</figcaption>`}<div class="chart" role="img" aria-label="${escapeHtml(`${title} ${chart.title}`.trim())}" style="height:${chart.height}px"></div></figure>`,
  );
  return `<section id="${name}">
<h2>${escapeHtml(title)}</h2>
<p>${escapeHtml(caption)}</p>
${legend.length === 0 ? "" : `<div class="legend">${legend.map(legendButton).join("")}</div>`}
<div class="charts of${columns}">${drawn.join("\n")}</div>
${name === "weights" ? alarmTable(runs) : ""}
</section>`;
}

function legendButton({ name, colour, dash, mark }: LegendEntry): string {
  const swatch = mark
    ? '<span class="mark" aria-hidden="true">▲</span>'
    : `<i style="border-top:3px ${dash} ${colour}"></i>`;
  return `<button type="button" aria-pressed="true" data-name="${escapeHtml(name)}">${swatch}${escapeHtml(name)}</button>`;
}

function alarmTable(runs: readonly RunHistory[]): string {
  const alarms = runs.flatMap(({ name, alarms: own }) => own.map((alarm) => ({ run: name, ...alarm })));
  if (alarms.length === 0) return "";
  const rows = alarms
    .slice(0, mostAlarms)
    .map(
      ({ run, step, alarm, task, message }) =>
        `<tr>${[run, String(step), alarm, task ?? "", message].map((cell) => `<td>${escapeHtml(cell)}</td>`).join("")}</tr>`,
    );
  const left = alarms.length - rows.length;
  const rest = left > 0 ? `<p>${left} more are in events.jsonl.</p>` : "";
  return `${table("Alarms", ["run", "step", "alarm", "task", "message"], rows)}${rest}`;
}

/** A table of rows that are markup; where the window is narrow it scrolls sideways by itself, with the keyboard too. */
function table(name: string, heads: readonly string[], rows: readonly string[]): string {
  const titles = heads.map((head) => `<th scope="col">${head}</th>`).join("");
  return `<div class="wide" role="region" aria-label="${name}" tabindex="0"><table><thead><tr>${titles}</tr></thead><tbody>${rows.join("")}</tbody></table></div>`;
}
