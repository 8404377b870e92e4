// Which anchors and cells two boxes are assigned to, and YOLOv5's loss of a network that knows nothing yet.
//
//   npm run build && node examples/detection-loss.mjs
import { anchorsInCells, assignTargets, detectionLoss, detectionStrides } from "echoduet/detection";
import { zeros } from "echoduet/tensor";

const size = 320;
const names = ["AR", "MR", "PR", "TR"];

// Rows of image, class, cx, cy, w, h; coordinates are shares of the network's input.
const targets = [
  [0, 1, 0.46, 0.36, 0.11, 0.14], // an MR jet in the first image
  [1, 3, 0.61, 0.52, 0.2, 0.25], // a TR jet in the second
].flat();

// One entry a level (P3, P4, P5): a match is a target, an anchor that fits it and a cell near its centre.
const matches = assignTargets(targets, {
  gridSizes: detectionStrides.map((stride) => ({ width: size / stride, height: size / stride })),
  anchors: detectionStrides.map((_, level) => anchorsInCells(level)),
});
matches.forEach(({ count, image, anchorIndex, gj, gi, classIndex }, level) => {
  console.log(`P${level + 3}, stride ${detectionStrides[level]}: ${count} matches`);
  for (const target of new Set(image)) {
    const own = Array.from({ length: count }, (_, m) => m).filter((m) => image[m] === target);
    const cells = own.map((m) => `${anchorIndex[m]}@(${gj[m]}, ${gi[m]})`);
    console.log(`  image ${target}, ${names[classIndex[own[0]]]}: anchor@(row, column) ${cells.join(" ")}`);
  }
});

// Logits [batch, anchors, rows, columns, 5 + classes]; all zero is "one half" for every probability.
const logits = detectionStrides.map((stride) =>
  zeros("float32", [2, 3, size / stride, size / stride, 5 + names.length]),
);
const { loss, box, objectness, classes } = detectionLoss(logits, targets, { imageSize: size });
console.log(
  `loss ${loss.toFixed(4)} = box ${box.toFixed(4)} + objectness ${objectness.toFixed(4)} + classes ${classes.toFixed(4)}`,
);
