// From decoded predictions to average precision, on two images made up for the purpose.
//
//   npm run build && node examples/detection-metrics.mjs
import { averagePrecision, IOU_THRESHOLDS, matchDetections, nonMaximumSuppression } from "echoduet/detection";

const names = ["AR", "MR"];

// Each row: cx, cy, w, h in pixels of the network's input, objectness, probability of AR, of MR.
const images = [
  {
    decoded: [
      [100, 100, 40, 40, 0.9, 0.9, 0.1],
      [102, 101, 40, 40, 0.8, 0.9, 0.1], // nearly the same box: suppressed
      [220, 160, 50, 30, 0.7, 0.2, 0.8],
    ],
    labels: [
      { classIndex: 0, box: [80, 80, 120, 120] },
      { classIndex: 1, box: [200, 150, 245, 175] },
    ],
  },
  {
    decoded: [[60, 200, 30, 30, 0.6, 0.9, 0.1]], // where there is nothing: a false positive
    labels: [{ classIndex: 1, box: [140, 40, 180, 80] }], // missed
  },
];

const tp = [];
const confidence = [];
const predictedClass = [];
const targetClass = [];
images.forEach(({ decoded, labels }, i) => {
  const detections = nonMaximumSuppression(Float32Array.from(decoded.flat()), {
    rows: decoded.length,
    classes: names.length,
    // The thresholds of mAP; for use, the defaults 0.25 and 0.45 with the best class of a box alone.
    confidenceThreshold: 0.001,
    iouThreshold: 0.6,
    multiLabel: true,
  });
  for (const { box, confidence: score, classIndex } of detections) {
    const corners = box.map((x) => x.toFixed(0)).join(", ");
    console.log(`image ${i}: ${names[classIndex]} ${score.toFixed(2)} [${corners}]`);
    confidence.push(score);
    predictedClass.push(classIndex);
  }
  tp.push(...matchDetections(detections, labels));
  targetClass.push(...labels.map(({ classIndex }) => classIndex));
});

const { perClass } = averagePrecision({
  tp: Uint8Array.from(tp),
  confidence: Float64Array.from(confidence),
  predictedClass: Int32Array.from(predictedClass),
  targetClass: Int32Array.from(targetClass),
  classes: names.length,
});
for (const { classIndex, instances, averagePrecision: ap } of perClass) {
  const mean = ap.reduce((sum, value) => sum + value, 0) / IOU_THRESHOLDS.length;
  console.log(
    `${names[classIndex]}: ${instances} labels, AP@.5 ${ap[0].toFixed(3)}, AP@.5:.95 ${mean.toFixed(3)}`,
  );
}
