import { z } from "zod";
import { branchOptimisation, optimisationFields } from "./optimisation.js";
import { devices, type InputSize } from "./text-values.js";
import { byteCountSchema, sizeSchema, taskWeightsSchema } from "./values.js";

/** Methods that balance the task losses (docs/balancing.md). */
export const balancers = [
  "static",
  "gradnorm",
  "uncertainty",
  "dwa",
  "rlw",
  "famo",
  "pcgrad",
  "cagrad",
  "mgda",
  "imtl-g",
  "aligned-mtl",
  "nash-mtl",
  "upgrad",
] as const;

const count = (least: number) => z.int().min(least);
const nonNegative = () => z.number().min(0);
/** A share in [0, 1): momentum, smoothing and dropout lose their meaning at 1. */
const share = () => z.number().min(0).lt(1);
/** A share of the images that something happens to; 0 unless given. */
const portion = () => z.number().min(0).max(1).default(0);
const required = (remedy: string) =>
  z.string({ error: (issue) => (issue.input === undefined ? `is required; ${remedy}` : undefined) }).min(1);

const weightsPath = () => z.string().min(1).nullable().default(null);
const attention = () => z.enum(["none", "se", "cbam", "simam"]).default("none");

const defaultSize: InputSize = { width: 320, height: 320 };
const defaultCacheBytes = 2 * 1024 ** 3;

/**
 * A training run. The description of each field, with its unit, is the help of the command line as well
 * (`trainOptions`), and the defaults stand here alone. Relative paths are taken from the working directory.
 */
export const trainConfigSchema = z.strictObject({
  data: required("give --data data.yaml").describe("data.yaml: splits, names, views (path)"),
  model: required("give --model, such as joint-yolov5n").describe(
    "model by name: detect-yolov5n, classify-yolov5n, joint-yolov5n, dual-yolov5n (n, s, m, l, x)",
  ),
  weights: weightsPath().describe("weights to start from: a run, .pt, .safetensors (path)"),
  detectionWeights: weightsPath().describe(
    "weights that the detection branch of a dual model starts from, in place of --weights (path)",
  ),
  classificationWeights: weightsPath().describe(
    "weights that the classification branch of a dual model starts from, in place of --weights; also torchvision's of a ResNet (path)",
  ),
  epochs: count(1).default(100).describe("passes over the training split"),
  batch: count(1).default(16).describe("images a step"),
  size: sizeSchema.default(defaultSize).describe("network input, N or WxH, multiples of 32 (pixels)"),
  seed: count(0)
    .max(2 ** 32 - 1)
    .default(0)
    .describe("seed of every random stream"),
  device: z.enum(devices).default("cpu").describe("where the graph runs"),
  threads: count(0).default(0).describe("threads of the CPU device; 0: all cores"),
  branchThreads: z
    .enum(["auto", "shared", "apart"])
    .default("auto")
    .describe(
      "branches of a dual model: apart, side by side with threads of their own; shared, one after another with all threads; auto: apart where their costs are alike",
    ),
  out: z
    .string()
    .min(1)
    .default("runs/train")
    .describe("run directory; the next free name where it holds a run (path)"),

  ...optimisationFields,
  nominalBatch: count(0).default(64).describe("gradients are accumulated up to this many images; 0: never"),
  ema: z
    .strictObject({
      decay: share().default(0.9999).describe("decay of the averaged weights; 0: no averaging"),
      tau: z
        .number()
        .positive()
        .default(2000)
        .describe("ramp of that decay, decay * (1 - exp(-t / tau)) (updates)"),
    })
    .prefault({})
    .describe("exponential moving average of the weights"),

  optim: z
    .strictObject({
      detection: branchOptimisation("detection"),
      classification: branchOptimisation("classification"),
    })
    .prefault({})
    .describe("settings of each branch of a dual model; what is left out is as for the whole model"),

  labelSmoothing: z
    .strictObject({
      detection: share().default(0).describe("label smoothing of the box classes"),
      classification: share().default(0).describe("label smoothing of the views"),
    })
    .prefault({})
    .describe("label smoothing of each task"),
  taskWeights: taskWeightsSchema
    .default({ detection: 1, classification: 1 })
    .describe("initial weights of the task losses: detection,classification"),
  lossScale: z
    .enum(["sum", "yolov5"])
    .default("sum")
    .describe("sum: both losses times the batch size; yolov5: the detection loss alone, as YOLOv5 has it"),
  boxGain: nonNegative().default(0.05).describe("gain of the box term"),
  objGain: nonNegative().default(1).describe("gain of the objectness term at 640 pixels"),
  clsGain: nonNegative().default(0.5).describe("gain of the class term at 80 classes"),
  anchorThreshold: z
    .number()
    .gt(1)
    .default(4)
    .describe("largest ratio of a side between a box and its anchor"),
  tap: z
    .enum(["p3", "p4", "p5", "backbone"])
    .default("p3")
    .describe("feature map that the classification head of a joint model reads"),
  detachClassifier: z
    .boolean()
    .default(false)
    .describe("keep the classification gradient out of the shared network"),
  dropout: share().default(0.2).describe("dropout before the last layer of the classification head"),
  pooling: z
    .enum(["avg", "max", "avg-max"])
    .default("avg")
    .describe("what the classification head takes of each channel; avg-max: both"),
  detectionAttention: attention().describe("attention in the detection backbone, or the shared one"),
  classifierBackbone: z
    .enum(["yolov5n", "yolov5s", "yolov5m", "yolov5l", "yolov5x", "resnet18", "resnet50"])
    .default("yolov5n")
    .describe("classification backbone of a dual model"),
  attention: attention().describe("attention in the classification backbone of a dual model"),
  bridge: z
    .enum(["none", "stop-gradient"])
    .default("none")
    .describe(
      "stop-gradient: the classifier of a dual model also reads the detector's features, which its gradient does not reach",
    ),
  matchFlops: z
    .enum(["dual-yolov5n", "dual-yolov5s", "dual-yolov5m", "dual-yolov5l", "dual-yolov5x"])
    .nullable()
    .default(null)
    .describe("model whose forward FLOPs a model with one backbone takes, by its depth, else by its width"),
  branch: z
    .enum(["both", "detection", "classification"])
    .default("both")
    .describe("part of a dual model that is built and trained"),
  balancer: z.enum(balancers).default("static").describe("how the tasks are balanced"),
  alpha: nonNegative()
    .default(1.5)
    .describe("gradnorm: exponent of the relative training rate; 0.12 for like tasks, unstable from 3"),
  balancerLr: z
    .number()
    .positive()
    .default(0.025)
    .describe("gradnorm, uncertainty, famo: learning rate of the task weights"),
  gradnorm: z
    .strictObject({
      update: z
        .enum(["adam", "direct"])
        .default("adam")
        .describe("adam: the paper's; direct: each weight set so that its norm meets its target"),
      initialLosses: z
        .enum(["measured", "theoretical"])
        .default("measured")
        .describe("losses that rates relate to: the first ones, or log C of a cross-entropy over C classes"),
      interval: count(1).default(1).describe("optimiser steps from one update of the weights to the next"),
      average: share().default(0).describe("direct: share of the old weights kept at an update"),
      floor: z
        .number()
        .min(0)
        .lt(0.5)
        .default(0.001)
        .describe("least weight, as a share of the sum of weights; 0: none, as in the paper"),
      layer: z
        .string()
        .min(1)
        .nullable()
        .default(null)
        .describe("weight at which norms are taken, by name; by default the last one that the tasks share"),
      stuckUpdates: count(0)
        .default(100)
        .describe("alarm: a task's weight rises over this many updates while its loss does not fall; 0: off"),
      unstableUpdates: count(0)
        .default(100)
        .describe("alarm: weights jump, or lie at the floor, over this many updates; 0: off"),
    })
    .prefault({})
    .describe("options of gradnorm"),
  cagrad: z
    .strictObject({
      c: nonNegative().default(0.5).describe("radius around the mean gradient, as a share of its length"),
    })
    .prefault({})
    .describe("options of cagrad"),
  dwa: z
    .strictObject({
      temperature: z.number().positive().default(2).describe("temperature of the softmax over loss ratios"),
    })
    .prefault({})
    .describe("options of dwa"),
  famo: z
    .strictObject({
      decay: nonNegative().default(0.001).describe("decay of the weights' logits"),
    })
    .prefault({})
    .describe("options of famo"),
  probe: z
    .strictObject({
      every: count(0)
        .default(0)
        .describe("steps from one measurement of the tasks' interference to the next; 0: none"),
      images: count(0).default(0).describe("images of the probe batch; 0: as many as a batch"),
    })
    .prefault({})
    .describe("interference of the tasks' gradients, measured beside the training"),

  augment: z
    .strictObject({
      rotate: z.number().min(0).max(45).default(0).describe("largest rotation of an image (degrees)"),
      scale: share().default(0).describe("largest change of an image's scale (share)"),
      translate: share().default(0).describe("largest shift of an image (share of the input)"),
      gain: share().default(0).describe("largest change of the grey tissue's brightness (share)"),
      contrast: share().default(0).describe("largest change of the grey tissue's gamma (share)"),
      speckle: share()
        .default(0)
        .describe("largest standard deviation of speckle on the grey tissue (share of its grey)"),
      timeGain: share().default(0).describe("largest slope of the grey tissue's gain over the depth (share)"),
      blur: z
        .number()
        .min(0)
        .max(1)
        .default(0)
        .describe("largest standard deviation of the grey tissue's blur (pixels of the input)"),
      sectorEdge: share()
        .default(0)
        .describe("largest part of the sector's angle or depth erased at an edge (share)"),
      overlay: portion().describe("share of images whose ruler, marks and text are erased"),
      mosaic: portion().describe("share of images that become a mosaic of four, which has no view"),
      unsafe: z
        .strictObject({
          hue: z
            .number()
            .min(0)
            .max(0.5)
            .default(0)
            .describe(
              "UNSAFE, the hue is the direction of flow: largest turn of the hue (share of the circle)",
            ),
          flipHorizontal: portion().describe(
            "UNSAFE, left and right are anatomy: share of images mirrored left to right",
          ),
          flipVertical: portion().describe(
            "UNSAFE, the probe is at the top: share of images mirrored top to bottom",
          ),
        })
        .prefault({})
        .describe("augmentations that change what a frame shows; each warns when it is used"),
    })
    .prefault({})
    .describe("strengths of the training images' augmentations; 0: off"),
  sampling: z
    .enum(["none", "class", "view", "class-view"])
    .default("none")
    .describe("balance of an epoch's images; none: each once"),

  allowLeakage: z
    .boolean()
    .default(false)
    .describe("train although the splits share patients, clips or images; every result carries the mark"),
  patience: count(0)
    .default(0)
    .describe("stop after this many epochs without a better fitness; 0: never (epochs)"),
  fraction: z
    .number()
    .gt(0)
    .max(1)
    .default(1)
    .describe("share of the training clips to train on, drawn by the seed"),
  fitness: z
    .strictObject({
      map50: nonNegative().default(0.1).describe("weight of mAP@.5 in the fitness"),
      map50_95: nonNegative().default(0.9).describe("weight of mAP@.5:.95 in the fitness"),
      balancedAccuracy: nonNegative()
        .default(1)
        .describe("weight of the views' balanced accuracy in the fitness"),
    })
    .prefault({})
    .describe("weights of the fitness that chooses the best checkpoint"),
  validation: z
    .strictObject({ every: count(1).default(1).describe("epochs from one validation to the next") })
    .prefault({})
    .describe("validation during training"),
  checkpointEverySteps: count(0)
    .default(0)
    .describe("steps from one checkpoint to the next; 0: each epoch only"),
  cacheBytes: byteCountSchema
    .default(defaultCacheBytes)
    .describe("memory for decoded images, such as 512MB or 2GB (bytes)"),
  workers: count(1)
    .default(2)
    .describe("images decoded, and batches augmented, at a time, off the training thread"),
});

/** A resolved training run: every field present. */
export type TrainConfig = z.output<typeof trainConfigSchema>;
/** What may stand in a configuration file. */
export type TrainConfigInput = z.input<typeof trainConfigSchema>;
