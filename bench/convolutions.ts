import { InferenceSession, Tensor } from "onnxruntime-node";
import { type MachineFacts, machineFacts } from "../src/experiments/index.js";
import type { Graph } from "../src/graph/index.js";
import { blockedConv, type ConvProblem, paysBlocked } from "../src/onnx/blocked-conv.js";
import { Emitter } from "../src/onnx/emitter.js";
import { encodeModel } from "../src/onnx/proto.js";
import { blockedLayout } from "../src/runtime/blocked-layout.js";
import { sizeOf } from "../src/tensor/index.js";
import { reportHead, table } from "./format.js";
import { median, type PairedRatio, pairedRatio, secondsInTurns, showRatio } from "./paired.js";
import { type StepOptions, stepGraph } from "./step.js";

export interface ConvolutionOptions extends Omit<StepOptions, "batch"> {
  readonly batches: readonly number[];
  readonly rounds: number;
}

export interface ConvolutionBench {
  readonly input: "synthetic: random numbers, for speed only";
  readonly machine: MachineFacts;
  readonly options: ConvolutionOptions;
  /** Channels of a block; null where this processor has no blocked layout, and nothing is compared. */
  readonly block: number | null;
  readonly convolutions: readonly MeasuredConvolution[];
}

/** A convolution in both forms. */
export interface MeasuredConvolution {
  readonly x: readonly number[];
  readonly filters: number;
  readonly kernel: number;
  readonly stride: number;
  /** Of the output, over the batch. */
  readonly pixels: number;
  readonly medianSeconds: { readonly plain: number; readonly blocked: number };
  readonly blockedOverPlain: PairedRatio;
  /** The form that training takes. */
  readonly taken: "plain" | "blocked";
}

const warmUps = 2;

/**
 * Every convolution of a training step in ONNX Runtime's plain layout and in its blocked one, the reordering of weights,
 * input and output included: what the choice in `onnx/blocked-conv.ts` is made from.
 */
export async function measureConvolutions(
  options: ConvolutionOptions,
  say: (line: string) => void,
): Promise<ConvolutionBench> {
  const block = await blockedLayout();
  const graph = await stepGraph({ ...options, batch: 1 });
  const convolutions: MeasuredConvolution[] = [];
  for (const batch of block === null ? [] : options.batches) {
    say(`batch ${batch}`);
    for (const problem of problemsOf(graph, batch)) {
      convolutions.push(await measure(problem, { ...options, block: block as number }));
    }
  }
  return {
    input: "synthetic: random numbers, for speed only",
    machine: machineFacts(),
    options,
    block,
    convolutions: convolutions.sort((a, b) => b.pixels - a.pixels),
  };
}

/** The different convolutions with more than one tap, and input gradients that are computed as such. */
function problemsOf(graph: Graph, batch: number): ConvProblem[] {
  const problems = new Map<string, ConvProblem>();
  for (const { op, attrs, inputs, outputs } of graph.nodes) {
    if (op !== "Conv" && !(op === "ConvInputGrad" && "strides" in attrs && attrs.strides[0] === 1)) continue;
    const kernel = inputs[1].shape.slice(2);
    const stride = inputs[0].shape[2] / outputs[0].shape[2];
    const pad = Math.floor(kernel[0] / 2);
    // A kernel of an even number of taps is computed as another one.
    if (kernel[0] % 2 === 0 || kernel[0] === 1) continue;
    const problem: ConvProblem = {
      x: "x",
      xShape: [batch, ...inputs[0].shape.slice(1)],
      weight: "weight",
      filters: outputs[0].shape[1],
      kernel,
      strides: [stride, stride],
      pads: [pad, pad],
      swapped: false,
    };
    problems.set(JSON.stringify(problem), problem);
  }
  return [...problems.values()];
}

async function measure(
  problem: ConvProblem,
  { block, threads, rounds }: ConvolutionOptions & { readonly block: number },
): Promise<MeasuredConvolution> {
  const { xShape, filters, kernel, strides, pads } = problem;
  const forms = [
    (emitter: Emitter) =>
      emitter.emit("Conv", ["x", "weight"], { attributes: { strides, pads: [...pads, ...pads] } }),
    (emitter: Emitter) => blockedConv(emitter, problem, block),
  ];
  const weightShape = [filters, xShape[1], ...kernel];
  const feeds = { x: numbers(xShape), weight: numbers(weightShape) };
  const sessions = await Promise.all(
    forms.map((form) => openSession(form, { xShape, weightShape, threads })),
  );
  for (const session of sessions) for (let i = 0; i < warmUps; i++) await session.run(feeds);
  const [plain, blocked] = await secondsInTurns(
    sessions.map((session) => () => session.run(feeds)),
    rounds,
  );
  for (const session of sessions) await session.release();
  const [batch, , height] = xShape;
  return {
    x: xShape,
    filters,
    kernel: kernel[0],
    stride: strides[0],
    pixels: batch * Math.ceil(height / strides[0]) ** 2,
    medianSeconds: { plain: median(plain), blocked: median(blocked) },
    blockedOverPlain: pairedRatio(blocked, plain),
    taken: paysBlocked(problem, block) ? "blocked" : "plain",
  };
}

/** A session of one form. Its result stays in ONNX Runtime but for the largest number, which both forms look for alike. */
function openSession(
  form: (emitter: Emitter) => string,
  { xShape, weightShape, threads }: Record<"xShape" | "weightShape", readonly number[]> & { threads: number },
): Promise<InferenceSession> {
  const emitter = new Emitter();
  const largest = emitter.emit("ReduceMax", [form(emitter)], { attributes: { keepdims: 0 } });
  const identity = {
    ...{ opType: "Identity", domain: "", inputs: [largest], outputs: ["largest"] },
    attributes: {},
  };
  const model = encodeModel({
    nodes: [...emitter.nodes, identity],
    initializers: emitter.initializers,
    inputs: [
      { name: "x", dtype: "float32", shape: xShape },
      { name: "weight", dtype: "float32", shape: weightShape },
    ],
    outputs: [{ name: "largest", dtype: "float32", shape: [] }],
    metadata: {},
  });
  return InferenceSession.create(model, { intraOpNumThreads: threads, logSeverityLevel: 3 });
}

function numbers(shape: readonly number[]): Tensor {
  const data = new Float32Array(sizeOf(shape)).map((_, i) => Math.sin(i * i));
  return new Tensor("float32", data, [...shape]);
}

/** A report for people. */
export function formatConvolutions({ machine, options, block, convolutions }: ConvolutionBench): string {
  const { model, size, threads, rounds } = options;
  const milliseconds = (seconds: number) => (seconds * 1000).toFixed(2);
  return [
    ...reportHead(machine, null),
    `${model}, ${size} x ${size}, ${threads} threads, ${rounds} rounds`,
    ...(block === null
      ? ["This processor has no blocked layout that computes right: convolutions stay plain."]
      : [
          `blocks of ${block} channels`,
          "",
          ...table([
            [
              "input",
              "filters",
              "kernel",
              "stride",
              "pixels",
              "plain ms",
              "blocked ms",
              "blocked / plain",
              "taken",
            ],
            ...convolutions.map((each) => [
              each.x.join("x"),
              `${each.filters}`,
              `${each.kernel}`,
              `${each.stride}`,
              `${each.pixels}`,
              milliseconds(each.medianSeconds.plain),
              milliseconds(each.medianSeconds.blocked),
              showRatio(each.blockedOverPlain),
              each.taken,
            ]),
          ]),
        ]),
  ].join("\n");
}
