import type { FigureTexts } from "../../curves/figure-texts.js";

/** The figures' texts in Traditional Chinese as used in Taiwan. */
export const zhTwFigureTexts: FigureTexts = {
  step: "步數（批次）",
  epoch: "輪次",
  averaged: (steps) => `粗線：約 ${steps} 步的指數平均；淡線：每一步。`,
  everyStep: "逐步顯示，未經平均。",
  unweightedLoss: "損失（未加權）",
  losses: { title: "各任務的損失", caption: "加權之前。" },
  lossItems: { title: "損失的組成", caption: "各項損失的成分。" },
  weights: {
    title: "任務權重",
    caption: "各損失相加之前所乘的權重。",
    y: "損失權重",
    alarms: (count) => `三角形：平衡方法發出的 ${count} 次警示。`,
  },
  learningRate: { title: "學習率", caption: "有權重衰減的參數所用的學習率。", y: "學習率" },
  gradientNorm: {
    title: "梯度範數",
    caption: "所有參數（有分支時為各分支）累積後、裁剪前的梯度範數。",
    y: "梯度範數",
  },
  validation: {
    title: "驗證集指標",
    caption: (splits) =>
      `每輪結束時以平均後的權重在 ${splits} 上評分。精確率、召回率與 F1 取自同一批影像上 F1 最佳的信心值，因此偏樂觀。`,
  },
  metrics: {
    map50: "mAP@.5",
    map50_95: "mAP@.5:.95",
    precision: "精確率",
    recall: "召回率",
    f1: "F1",
    confidence: "F1 最佳的信心值",
    accuracy: "準確率",
    balancedAccuracy: "平衡準確率",
    macroF1: "巨觀平均 F1",
    auroc: "AUROC",
    ece: "校準誤差（ECE）",
    fitness: "適應度",
  },
  balance: {
    norms: {
      title: "各任務的梯度範數",
      y: "梯度範數",
      caption:
        "平衡方法在共用層量得的各任務梯度範數。虛線為目標值（若有）：範數低於目標時，該任務的權重會上升。",
    },
    rates: {
      title: "相對訓練速率",
      y: "相對速率",
      caption: "各任務損失相對於起點的比例，除以所有任務的平均：大於 1 表示學得比其他任務慢。",
    },
  },
  otherBalance: (quantity) => ({
    title: `平衡方法：${quantity}`,
    caption: `平衡方法記錄的 ${quantity}。`,
  }),
  measured: "實測",
  target: "目標",
  probed: (images) => `以 ${images.join(" 或 ")} 張探測影像量測。`,
  conflict: {
    title: "任務間的衝突",
    caption: "兩任務對所有共用參數的梯度之夾角餘弦，以及餘弦小於零的網路層比例。",
    allLayers: "所有層",
    inConflict: "衝突的網路層",
    cosine: "餘弦",
    share: "網路層（%）",
  },
  conflictNorms: {
    title: "各任務對共用層的拉力",
    caption: "各任務對所有共用參數的梯度範數：分別為平均損失的，以及訓練步驟加權後的。",
    unweighted: "未加權：",
    weighted: "加權後：",
  },
  conflictMap: {
    title: "逐層衝突圖",
    caption:
      "兩任務在各共用層的梯度夾角餘弦，由上方的輸入端到最後一個共用層。紅色：對一項任務有利的一步會損害另一項。灰色：沒有夾角，梯度為零或未量測。",
    every: (stride, probes) => `共 ${probes} 次探測，每 ${stride} 次繪一次。`,
    agreement: (cosine) => `${cosine}：一致`,
    conflict: (cosine) => `衝突：−${cosine}`,
    cosineStrip: "所有層的\n餘弦",
    shareStrip: "衝突的\n網路層（%）",
  },
};
