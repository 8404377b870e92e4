interface Named {
  readonly title: string;
  readonly caption: string;
}

/** Every text of the figures, in one language. */
export interface FigureTexts {
  readonly step: string;
  readonly epoch: string;
  readonly averaged: (steps: number) => string;
  readonly everyStep: string;
  readonly unweightedLoss: string;
  readonly losses: Named;
  readonly lossItems: Named;
  readonly weights: Named & { readonly y: string; readonly alarms: (count: number) => string };
  readonly learningRate: Named & { readonly y: string };
  readonly gradientNorm: Named & { readonly y: string };
  readonly validation: { readonly title: string; readonly caption: (splits: string) => string };
  /** Titles of metrics whose names in the log are not words; others stand as they are. */
  readonly metrics: Readonly<Record<string, string>>;
  /** Balancers' quantities that are known, by their names in the log. */
  readonly balance: Readonly<Record<string, Named & { readonly y: string }>>;
  readonly otherBalance: (quantity: string) => Named;
  readonly measured: string;
  readonly target: string;
  readonly probed: (images: readonly number[]) => string;
  readonly conflict: Named & {
    readonly allLayers: string;
    readonly inConflict: string;
    readonly cosine: string;
    readonly share: string;
  };
  readonly conflictNorms: Named & { readonly unweighted: string; readonly weighted: string };
  readonly conflictMap: Named & {
    readonly every: (stride: number, probes: number) => string;
    readonly agreement: (cosine: number) => string;
    readonly conflict: (cosine: number) => string;
    readonly cosineStrip: string;
    readonly shareStrip: string;
  };
}

/** The figures' texts in English. */
export const englishFigureTexts: FigureTexts = {
  step: "step (batches)",
  epoch: "epoch",
  averaged: (steps) => `Bold: exponential average over ${steps} steps; faint: every step.`,
  everyStep: "Every step as it was.",
  unweightedLoss: "loss (unweighted)",
  losses: { title: "Losses by task", caption: "Before weighting." },
  lossItems: { title: "Items of the losses", caption: "What the losses are made of." },
  weights: {
    title: "Task weights",
    caption: "By which each loss is multiplied before they are added.",
    y: "weight of the loss",
    alarms: (count) => `Triangles: the balancer's ${count === 1 ? "alarm" : `${count} alarms`}.`,
  },
  learningRate: { title: "Learning rate", caption: "Of weights that decay.", y: "learning rate" },
  gradientNorm: {
    title: "Gradient norm",
    caption: "Over all parameters, of each branch where there are branches, as accumulated, before clipping.",
    y: "gradient norm",
  },
  validation: {
    title: "Validation metrics",
    caption: (splits) =>
      `Averaged weights at the end of an epoch, scored on ${splits}. Precision, recall and F1 at the confidence of the best F1 on the same images, which flatters.`,
  },
  metrics: {
    map50: "mAP@.5",
    map50_95: "mAP@.5:.95",
    f1: "F1",
    confidence: "confidence of the best F1",
    balancedAccuracy: "balanced accuracy",
    macroF1: "macro F1",
    auroc: "AUROC",
    ece: "calibration error (ECE)",
  },
  balance: {
    norms: {
      title: "Gradient norms of the tasks",
      y: "gradient norm",
      caption:
        "The norm of each task's gradient at the shared layer, as the balancer measures it. Where it has targets, they are dashed: weights rise where the norm is below its target.",
    },
    rates: {
      title: "Relative training rates",
      y: "relative rate",
      caption:
        "How far a task's loss is from its start, over the mean of all tasks: above 1 it learns more slowly than the others.",
    },
  },
  otherBalance: (quantity) => ({
    title: `Balancer: ${quantity}`,
    caption: `${quantity}, as the balancer logs it.`,
  }),
  measured: "measured",
  target: "target",
  probed: (images) => `Measured on ${images.join(" or ")} probe images.`,
  conflict: {
    title: "Conflict between the tasks",
    caption:
      "Cosine between the tasks' gradients of all shared parameters, and the share of layers in which it is below zero.",
    allLayers: "all layers",
    inConflict: "layers in conflict",
    cosine: "cosine",
    share: "layers (%)",
  },
  conflictNorms: {
    title: "Pull of the tasks on the shared layers",
    caption:
      "Norm of each task's gradient of all shared parameters: of its mean loss, and as the training step weighs it.",
    unweighted: "unweighted: ",
    weighted: "weighted: ",
  },
  conflictMap: {
    title: "Conflict by layer",
    caption:
      "Cosine between the tasks' gradients of each shared layer, from the input at the top to the last shared layer. Red: a step that helps one task harms the other. Grey: no angle, a gradient is zero or was not measured.",
    every: (stride, probes) => `Every ${stride}th of ${probes} probes is drawn.`,
    agreement: (cosine) => `${cosine}: agreement`,
    conflict: (cosine) => `conflict: −${cosine}`,
    cosineStrip: "cosine of\nall layers",
    shareStrip: "layers in\nconflict (%)",
  },
};
