import { existsSync, mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { z } from "zod";
import { parseWith } from "../../config/index.js";
import { IOU_THRESHOLDS, joinImages } from "../../detection/index.js";
import { ioError, writeFileAtomically } from "../../io/index.js";
import { encodeSafetensors, readSafetensors } from "../../onnx/index.js";
import { type HostTensor, hostTensor } from "../../tensor/index.js";
import type { FramePrediction } from "../../training/index.js";

/** What predictions follow from. */
export type PredictionKey = Readonly<Record<"checkpointSha256" | "dataFingerprint" | "size", string>>;

/** Of the file's layout and of what is predicted; a file of another one is written anew. */
const version = "1";
const thresholds = IOU_THRESHOLDS.length;
const countsSchema = z.array(z.tuple([z.int(), z.int(), z.int()]));

/**
 * Writes predictions as a safetensors file: those of all frames end to end, and as metadata `counts`, of each frame
 * its detections (-1 where it has no detection part), labels and probabilities.
 * @throws EchoDuetError `io` where the file system refuses
 */
export function writePredictions(
  file: string,
  key: PredictionKey,
  predictions: readonly FramePrediction[],
): void {
  const counts = predictions.map(({ detection, views }) => [
    detection?.confidence.length ?? -1,
    detection?.targetClass.length ?? 0,
    views?.length ?? 0,
  ]);
  const images = predictions.flatMap(({ detection }) => detection ?? []);
  const { tp, confidence, predictedClass, targetClass } = joinImages(images, 0);
  const views = Float32Array.from(predictions.flatMap((each) => Array.from(each.views ?? [])));
  const tensors = new Map<string, HostTensor>([
    ["tp", hostTensor("uint8", [tp.length], tp)],
    ["confidence", hostTensor("float64", [confidence.length], confidence)],
    ["predictedClass", hostTensor("int32", [predictedClass.length], predictedClass)],
    ["targetClass", hostTensor("int32", [targetClass.length], targetClass)],
    ["views", hostTensor("float32", [views.length], views)],
  ]);
  try {
    mkdirSync(dirname(file), { recursive: true });
  } catch (error) {
    throw ioError(dirname(file), "created", error);
  }
  writeFileAtomically(file, encodeSafetensors(tensors, { version, ...key, counts: JSON.stringify(counts) }));
}

/**
 * The predictions in `file`; null where there are none, or they follow from something else.
 * @throws EchoDuetError `checkpoint` or `config` where the file is damaged
 */
export function readPredictions(file: string, key: PredictionKey, frames: number): FramePrediction[] | null {
  if (!existsSync(file)) return null;
  const { tensors, metadata } = readSafetensors(file);
  if (Object.entries({ version, ...key }).some(([name, value]) => metadata[name] !== value)) return null;
  const counts = parseWith(countsSchema, JSON.parse(metadata.counts ?? "[]"), file);
  if (counts.length !== frames) return null;
  const data = <T>(name: string): T => tensors.get(name)?.data as T;
  const [tp, confidence] = [data<Uint8Array>("tp"), data<Float64Array>("confidence")];
  const [predicted, target] = [data<Int32Array>("predictedClass"), data<Int32Array>("targetClass")];
  const views = data<Float32Array>("views");
  const at = { detections: 0, labels: 0, views: 0 };
  return counts.map(([detections, labels, probabilities]) => {
    const from = { ...at };
    at.detections += Math.max(detections, 0);
    at.labels += labels;
    at.views += probabilities;
    const detection = {
      tp: tp.slice(thresholds * from.detections, thresholds * at.detections),
      confidence: confidence.slice(from.detections, at.detections),
      predictedClass: predicted.slice(from.detections, at.detections),
      targetClass: target.slice(from.labels, at.labels),
    };
    return {
      detection: detections < 0 ? null : detection,
      views: probabilities === 0 ? null : views.slice(from.views, at.views),
    };
  });
}
