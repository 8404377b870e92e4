// The toy example's picture: test loss of both methods, and GradNorm's weights, over the steps.
import { createRequire } from "node:module";
import * as echarts from "echarts";
import sharp from "sharp";

const fontFile = createRequire(import.meta.url).resolve("dejavu-fonts-ttf/ttf/DejaVuSans.ttf");
const fontFamily = "DejaVu Sans, Verdana, system-ui, sans-serif";
const size = { width: 1000, height: 470 };
const [ink, soft, faint] = ["#1d2430", "#5b6675", "#e4e8ed"];
/** Colours that colour-blind readers can tell apart (Okabe and Ito 2008). */
const methods = [
  { key: "static", name: "equal weights", colour: "#d55e00" },
  { key: "gradnorm", name: "GradNorm", colour: "#0072b2" },
];

/** The picture as SVG. */
export function drawing({ scales, runs, settings }) {
  const chart = echarts.init(null, null, { renderer: "svg", ssr: true, ...size });
  try {
    chart.setOption(option(scales, runs, settings));
    // ECharts counts its charts in the names of their parts.
    return chart.renderToSVGString().replace(/\bzr\d+-/g, "toy-");
  } finally {
    chart.dispose(); // else the process would stay alive
  }
}

/** The picture as a PNG of twice its size, in a font that comes with the package. */
export async function pngOf(svg) {
  // Text drawn from a font's file makes that font known to the drawing of SVGs.
  await sharp({ text: { text: "x", font: "DejaVu Sans", fontfile: fontFile } })
    .raw()
    .toBuffer();
  return sharp(Buffer.from(svg), { density: 144 }).png({ palette: true }).toBuffer();
}

function option(scales, runs, { steps, alpha }) {
  const seeds = runs.length === 1 ? "One seed" : `Mean over ${runs.length} seeds; band: least to greatest`;
  const label = (text, left) => ({
    text,
    left,
    top: 64,
    textStyle: { color: ink, fontSize: 14, fontWeight: "bold" },
  });
  const axis = {
    axisLine: { lineStyle: { color: soft } },
    axisLabel: { color: soft, fontSize: 12 },
    nameTextStyle: { color: soft, fontSize: 12 },
    splitLine: { lineStyle: { color: faint } },
  };
  const x = { ...axis, type: "value", max: steps, name: "step", nameLocation: "middle", nameGap: 28 };
  return {
    animation: false,
    backgroundColor: "#fff",
    textStyle: { fontFamily },
    title: [
      {
        text: "Ten regression tasks of scales 1 to 100 in one network",
        subtext: `${seeds}. GradNorm with α = ${alpha}; all weights start at 1 and sum to 10.`,
        left: 20,
        top: 8,
        textStyle: { color: ink, fontSize: 18 },
        subtextStyle: { color: soft, fontSize: 12 },
      },
      label("Test loss L(t) / L(0), mean of the tasks (lower is better)", 20),
      label("GradNorm's weights by task scale σ", 520),
    ],
    grid: [
      { left: 62, top: 100, width: 345, height: 314 },
      { left: 566, top: 100, width: 345, height: 314 },
    ],
    xAxis: [
      { ...x, gridIndex: 0, splitLine: { show: false } },
      { ...x, gridIndex: 1, splitLine: { show: false } },
    ],
    yAxis: [
      { ...axis, type: "value", scale: true, gridIndex: 0 },
      { ...axis, type: "log", gridIndex: 1 },
    ],
    series: [...methods.flatMap((method) => lossSeries(runs, method)), ...weightSeries(scales, runs)],
  };
}

/** A method's mean test loss and, behind it, the range over the seeds. */
function lossSeries(runs, { key, name, colour }) {
  const points = runs[0][key].map(({ step }, i) => ({ step, losses: runs.map((run) => run[key][i].loss) }));
  const base = { type: "line", symbol: "none", xAxisIndex: 0, yAxisIndex: 0 };
  const edge = { ...base, stack: key, lineStyle: { opacity: 0 }, silent: true, stackStrategy: "all" };
  const low = ({ losses }) => Math.min(...losses);
  return [
    { ...edge, data: points.map((point) => [point.step, low(point)]) },
    {
      ...edge,
      data: points.map((point) => [point.step, Math.max(...point.losses) - low(point)]),
      areaStyle: { color: colour, opacity: 0.18 },
    },
    {
      ...base,
      data: points.map(({ step, losses }) => [step, mean(losses)]),
      lineStyle: { color: colour, width: 2.5 },
      endLabel: { show: true, formatter: name, color: colour, fontSize: 12, fontWeight: "bold" },
    },
  ];
}

/** The mean weight of each task, from light for the smallest scale to dark. */
function weightSeries(scales, runs) {
  return scales.map((scale, task) => {
    const colour = shade(task / (scales.length - 1));
    return {
      type: "line",
      symbol: "none",
      xAxisIndex: 1,
      yAxisIndex: 1,
      data: runs[0].gradnorm.map(({ step }, i) => [
        step,
        mean(runs.map((run) => run.gradnorm[i].weights[task])),
      ]),
      lineStyle: { color: colour, width: 2 },
      endLabel: { show: true, formatter: `σ = ${scale}`, color: colour, fontSize: 11 },
      labelLayout: { moveOverlap: "shiftY" },
    };
  });
}

/** Between two colours, share 0 to 1. */
function shade(share) {
  const [from, to] = [
    [230, 140, 0],
    [20, 40, 110],
  ];
  return `rgb(${from.map((value, i) => Math.round(value + share * (to[i] - value))).join(", ")})`;
}

function mean(numbers) {
  return numbers.reduce((a, b) => a + b) / numbers.length;
}
