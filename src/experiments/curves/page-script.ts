/** What the page does in a browser: draws its charts, links those of a figure, hides and shows lines. */
export const pageScript = `
const digits = (value) => (typeof value === "number" ? String(Number(value.toPrecision(4))) : "–");
const escape = (text) => echarts.format.encodeHTML(String(text));
const parts = JSON.parse(document.getElementById("charts").textContent);
const drawn = [];

const mapTooltip = (option) => (params) => {
  if (params.componentSubType !== "heatmap") {
    return "step " + escape(params.name) + "<br>" + escape(params.seriesName) + ": " + digits(params.value);
  }
  const [column, row, cosine, ...norms] = params.value;
  return (
    "<b>" + escape(option.yAxis[0].data[row]) + "</b><br>step " + escape(option.xAxis[0].data[column]) +
    "<br>cosine " + digits(cosine) + "<br>gradient norms " + norms.map(digits).join(", ")
  );
};

// A scatter's point has its text as its name; in a tooltip of an axis it comes after the lines.
const lineTooltip = (items) => {
  const list = Array.isArray(items) ? items : [items];
  const x = list[0].axisValue ?? list[0].value[0];
  const rows = list
    .filter((item) => item.value[1] !== null)
    .map((item) =>
      item.seriesType === "scatter"
        ? "▲ " + escape(item.name)
        : item.marker + escape(item.seriesName) + ": <b>" + digits(item.value[1]) + "</b>",
    );
  return [digits(x), ...rows].join("<br>");
};

document.querySelectorAll(".chart").forEach((place, i) => {
  const { figure, kind, option } = parts[i];
  const chart = echarts.init(place, null, { renderer: "svg" });
  option.tooltip.formatter = kind === "map" ? mapTooltip(option) : lineTooltip;
  option.tooltip.extraCssText = "max-width:min(420px,80vw);white-space:normal";
  // Powers of ten below 1 are not exact: 0.0001 would be labelled 0.00009999999999999999.
  if (option.yAxis.type === "log") option.yAxis.axisLabel.formatter = digits;
  fit(option, kind, place.clientWidth);
  chart.setOption(option);
  chart.group = figure;
  drawn.push({ chart, place, figure, kind, option });
  chart.getZr().on("dblclick", () => chart.dispatchAction({ type: "dataZoom", start: 0, end: 100 }));
});
for (const figure of new Set(drawn.map((one) => one.figure))) echarts.connect(figure);

/** On a phone the names of a map's layers would take half of its width. */
function fit(option, kind, width) {
  if (kind !== "map") return;
  const wide = (option.wideLeft ??= option.grid[0].left);
  const left = width < 600 ? Math.min(wide, 118) : wide;
  for (const grid of option.grid) grid.left = left;
  option.yAxis[0].axisLabel.width = left - 12;
  option.yAxis[0].axisLabel.overflow = "truncate";
  option.visualMap.itemHeight = width < 600 ? 70 : 200;
}

const resize = (one, width) => {
  if (one.kind === "map") {
    fit(one.option, one.kind, width ?? one.place.clientWidth);
    one.chart.setOption(one.option);
  }
  one.chart.resize(width === undefined ? undefined : { width });
  // At once: paper does not wait for the next frame.
  one.chart.getZr().flush();
};
const observer = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    const one = drawn.find(({ place }) => place === target);
    if (one) resize(one);
  }
});
for (const one of drawn) observer.observe(one.place);
// Paper is laid out after this event, so its width is told.
addEventListener("beforeprint", () => drawn.forEach((one) => resize(one, 640)));
addEventListener("afterprint", () => drawn.forEach((one) => resize(one)));

document.querySelectorAll(".legend button").forEach((button) => {
  button.addEventListener("click", () => {
    const shown = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(shown));
    const figure = button.closest("section").id;
    const type = shown ? "legendSelect" : "legendUnSelect";
    for (const one of drawn) {
      if (one.figure !== figure) continue;
      for (const name of [button.dataset.name, button.dataset.name + rawSuffix]) {
        one.chart.dispatchAction({ type, name });
      }
    }
  });
});
`;
