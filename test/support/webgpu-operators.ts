/**
 * The operators of ONNX Runtime's WebGPU provider that our models use, from its documented list
 * (docs/webgpu-operators.md in the npm package onnxruntime-web 1.30.0), at the version of opset 18.
 */
export const webgpuOperators: ReadonlySet<string> = new Set([
  ...["Add", "Atan", "AveragePool", "BatchNormalization", "Cast", "Clip", "Concat", "Conv", "ConvTranspose"],
  ...["DepthToSpace", "Div", "Equal", "Exp", "Expand", "Gather", "GatherElements", "GlobalAveragePool"],
  ...["Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Log", "MatMul", "MaxPool", "Mul", "Neg", "Not"],
  ...["Pad", "Pow", "Reciprocal", "ReduceMax", "ReduceMean", "ReduceSum", "ReduceSumSquare", "Relu"],
  ...["Reshape", "Resize", "ScatterND", "Sigmoid", "Slice", "Softmax", "Split", "Sqrt", "Squeeze", "Sub"],
  ...["Tanh", "Tile", "Transpose", "Unsqueeze", "Where"],
  ...["com.microsoft.FusedConv", "com.microsoft.QuickGelu"],
]);
