/** A seeded simulator of colour-Doppler echocardiogram frames, written in the layout of real data. */
export { VALVES, type Valve, VIEWS, type View } from "./anatomy.js";
export {
  FAULT_KINDS,
  type FaultAmounts,
  type FaultKind,
  type FaultUnit,
  faultNames,
} from "./fault-kinds.js";
export type { SimulationOptions } from "./options.js";
export { type SimulationSummary, simulate } from "./simulate.js";
export type { TrueFault } from "./truth.js";
