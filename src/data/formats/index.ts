/** Conversion of other label formats to the canonical layout (docs/formats.md). */
export { splitFolders, type WrittenFrame } from "./canonical.js";
export type { CocoSource, CocoSplit } from "./coco.js";
export {
  type CocoAnnotation,
  type CocoCategory,
  type CocoFile,
  type CocoImage,
  readCoco,
} from "./coco-schema.js";
export { type ConvertOptions, type ConvertReport, convert } from "./convert.js";
export {
  type Change,
  type ConvertProgress,
  type Counts,
  type Drop,
  formatPlace,
  type ItemKind,
  type Place,
  type Shape,
  type SourceData,
  type SourceFrame,
} from "./dataset.js";
export { type ArrayElement, readJsonArrays } from "./json-arrays.js";
export type { TextSource } from "./joint-text.js";
export { type NameMap, parseNameMap } from "./name-maps.js";
