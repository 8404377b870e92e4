/** Designs side by side: what each costs, counted and measured. */
export { compareDesigns, type DesignComparison } from "./compare.js";
export { type DesignCost, designCost } from "./cost.js";
export { chooseDesigns, type Design, designsAt, singleTaskDesigns } from "./designs.js";
export { type DesignMeasures, type MeasureOptions, measureDesigns, spreadOf } from "./measure.js";
