/** Curves of training runs: figures and one interactive page. */
export { type DrawnCurves, type DrawnFigure, drawCurves } from "./draw.js";
export { type Chart, type Figure, figuresOf, type LegendEntry } from "./figures.js";
export { englishFigureTexts, type FigureTexts } from "./figure-texts.js";
export { curvesPage } from "./page.js";
export { type Curves, type Point, readRunHistories, type RunHistory } from "./run-history.js";
