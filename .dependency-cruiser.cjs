/**
 * Direction of dependency between the rooms of src/ (docs/architecture.md).
 * Each room lists the rooms it may import; everything else is an error.
 */
const may = {
  errors: [],
  config: ["errors"],
  io: ["errors"],
  threads: ["errors"],
  tensor: ["errors"],
  graph: ["errors", "tensor"],
  autodiff: ["errors", "tensor", "graph"],
  onnx: ["errors", "io", "tensor", "graph"],
  nn: ["errors", "tensor", "graph"],
  optim: ["errors", "tensor", "graph"],
  balancing: ["errors", "tensor", "graph"],
  runtime: ["errors", "io", "threads", "tensor", "graph", "onnx"],
  detection: ["errors", "tensor", "graph", "nn"],
  classification: ["errors", "tensor", "graph", "nn"],
  interference: ["errors", "tensor", "graph", "autodiff", "classification"],
  models: ["errors", "config", "tensor", "graph", "nn", "detection", "classification"],
  data: ["errors", "config", "io", "threads", "tensor", "runtime"],
};
const base = Object.keys(may);
may.training = base;
may.experiments = [...base, "training"];
may.serving = [...base, "training", "experiments"];
may.cli = [...base, "training", "experiments", "serving"];
// The package's root, src/index.ts: it gathers the rooms for users, and no room imports it.
may.index = [...base, "training", "experiments", "serving"];

const files = ["errors", "index"];
const room = (name) => (files.includes(name) ? `^src/${name}\\.ts$` : `^src/${name}/`);

module.exports = {
  forbidden: [
    { name: "no-circular", severity: "error", from: {}, to: { circular: true } },
    {
      name: "only-runtime-imports-onnxruntime",
      severity: "error",
      from: { pathNot: "^src/runtime/" },
      to: { path: "onnxruntime" },
    },
    ...Object.entries(may).map(([name, allowed]) => ({
      name: `direction-${name}`,
      severity: "error",
      from: { path: room(name) },
      to: { path: "^src/", pathNot: [room(name), ...allowed.map(room)] },
    })),
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    enhancedResolveOptions: { exportsFields: ["exports"], conditionNames: ["import", "node", "default"] },
  },
};
