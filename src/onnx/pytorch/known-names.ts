import type { ElementFormat } from "../safetensors.js";

/** Names of `module`, in full. */
function names(module: string, ...members: string[]): string[] {
  return members.map((member) => `${module}.${member}`);
}

/** PyTorch's storage classes and the element format that each holds. */
export const storageFormats: ReadonlyMap<string, ElementFormat> = new Map([
  ["torch.HalfStorage", "F16"],
  ["torch.BFloat16Storage", "BF16"],
  ["torch.FloatStorage", "F32"],
  ["torch.DoubleStorage", "F64"],
  ["torch.IntStorage", "I32"],
  ["torch.LongStorage", "I64"],
  ["torch.ByteStorage", "U8"],
  ["torch.BoolStorage", "BOOL"],
]);

/** The function whose record is a tensor: (storage, offset, size, stride, requires_grad, hooks). */
export const REBUILD_TENSOR = "torch._utils._rebuild_tensor_v2";
/** The functions whose record wraps a tensor as a parameter: (tensor, requires_grad, hooks, ...). */
export const REBUILD_PARAMETER: ReadonlySet<string> = new Set(
  names("torch._utils", "_rebuild_parameter", "_rebuild_parameter_with_state"),
);
/** The class that is read as a plain dictionary. */
export const ORDERED_DICT = "collections.OrderedDict";

/**
 * Every class and function that a checkpoint may name. They are those that YOLOv5's own checkpoints hold, from
 * its first releases to 7.0 and as trained by its users: the model's modules, the PyTorch layers inside them,
 * the rebuilding functions of tensors, and small values beside them (fitness as a NumPy scalar, options with
 * paths). A name here only lets its record exist; nothing is ever imported or called.
 */
export const knownNames: ReadonlySet<string> = new Set([
  ...storageFormats.keys(),
  REBUILD_TENSOR,
  ...REBUILD_PARAMETER,
  ORDERED_DICT,
  ...names("torch", "Size", "device"),
  ...names("torch.nn.parameter", "Parameter"),
  ...names("models.yolo", "Model", "DetectionModel", "BaseModel", "Detect"),
  ...names("models.yolo", "SegmentationModel", "Segment", "ClassificationModel"),
  ...names("models.common", "Conv", "DWConv", "DWConvTranspose2d", "CrossConv", "Focus", "Concat"),
  ...names("models.common", "Bottleneck", "BottleneckCSP", "SPP", "SPPF", "Contract", "Expand"),
  ...names("models.common", "C3", "C3x", "C3TR", "C3SPP", "C3Ghost", "GhostConv", "GhostBottleneck"),
  ...names("models.common", "TransformerLayer", "TransformerBlock", "Proto", "Classify", "Flatten"),
  ...names("models.experimental", "CrossConv", "GhostConv", "GhostBottleneck", "MixConv2d", "Sum", "C3"),
  ...names("torch.nn.modules.container", "Sequential", "ModuleList", "ModuleDict"),
  ...names("torch.nn.modules.conv", "Conv2d", "ConvTranspose2d"),
  ...names("torch.nn.modules.batchnorm", "BatchNorm2d", "SyncBatchNorm"),
  ...names("torch.nn.modules.normalization", "LayerNorm"),
  ...names("torch.nn.modules.activation", "SiLU", "Hardswish", "LeakyReLU", "ReLU", "ReLU6", "Sigmoid"),
  ...names("torch.nn.modules.activation", "Mish", "MultiheadAttention"),
  ...names("torch.nn.modules.pooling", "MaxPool2d", "AvgPool2d", "AdaptiveAvgPool2d"),
  ...names("torch.nn.modules.upsampling", "Upsample"),
  ...names("torch.nn.modules.padding", "ZeroPad2d"),
  ...names("torch.nn.modules.dropout", "Dropout"),
  ...names("torch.nn.modules.flatten", "Flatten"),
  ...names(
    "torch.nn.modules.linear",
    "Linear",
    "Identity",
    "NonDynamicallyQuantizableLinear",
    "_LinearWithBias",
  ),
  ...names("numpy", "ndarray", "dtype"),
  ...names("numpy.core.multiarray", "_reconstruct", "scalar"),
  ...names("numpy._core.multiarray", "_reconstruct", "scalar"),
  ...names("_codecs", "encode"),
  ...names("__builtin__", "set", "frozenset"),
  ...names("builtins", "set", "frozenset"),
  ...names("pathlib", "PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath"),
  ...names("pathlib._local", "PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath"),
]);
