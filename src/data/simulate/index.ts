/** A seeded simulator of colour-Doppler echocardiogram frames, written in the layout of real data. */
export type { SimulationOptions } from "./options.js";
export { type SimulationSummary, simulate } from "./simulate.js";
