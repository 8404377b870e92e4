import { EchoDuetError } from "../errors.js";
import { dual } from "./dual.js";
import { matchFlops } from "./match-flops.js";
import type { Model, TaskName } from "./model.js";
import { oneBackbone } from "./one-backbone.js";
import type { ModelOptions } from "./options.js";
import { type Scaling, type Yolov5Size, yolov5Sizes } from "./yolov5.js";

/** A kind of network and what it is for. */
interface Family {
  readonly tasks: readonly TaskName[];
  build(name: string, scaling: Scaling, options: ModelOptions): Model;
}

const both: readonly TaskName[] = ["detection", "classification"];
const shared = (tasks: readonly TaskName[]): Family => ({
  tasks,
  build: (name, scaling, options) => {
    requireDual(name, options);
    const { classes, views, matchFlops: target = null } = options;
    const build = (multiples: Scaling) => oneBackbone(name, tasks, multiples, options);
    if (target === null) return build(scaling);
    return matchFlops({ build, own: scaling, target: createModel(target, { classes, views }) });
  },
});
const families: Record<string, Family> = {
  detect: shared(["detection"]),
  classify: shared(["classification"]),
  joint: shared(both),
  dual: {
    tasks: both,
    build: (name, scaling, options) => {
      requireBothForBridge(options);
      requireShared(name, options);
      return dual(name, scaling, options);
    },
  },
};

/** Every name that {@link createModel} knows. */
export const modelNames: readonly string[] = Object.keys(families).flatMap((family) =>
  Object.keys(yolov5Sizes).map((size) => `${family}-yolov5${size}`),
);

/**
 * A model by name: `detect-yolov5n`, `classify-yolov5n`, `joint-yolov5n`, `dual-yolov5n`, and s, m, l, x.
 * @throws EchoDuetError `config` for an unknown name, where a task has no classes, or for an option that the
 *   model has no use for
 */
export function createModel(name: string, options: ModelOptions): Model {
  const [, family, size] = /^(\w+)-yolov5([nsmlx])$/.exec(name) ?? [];
  if (!Object.hasOwn(families, family ?? "")) {
    throw new EchoDuetError("config", `model: expects one of ${modelNames.join(", ")}, got ${name}`);
  }
  const model = families[family].build(name, yolov5Sizes[size as Yolov5Size], options);
  requireClasses(name, "names", model.tasks.includes("detection"), options.classes);
  requireClasses(name, "views", model.tasks.includes("classification"), options.views);
  return model;
}

function requireClasses(model: string, key: string, needed: boolean, count: number): void {
  if (needed && count < 1) {
    throw new EchoDuetError("config", `model ${model}: needs \`${key}\` in data.yaml, found none`);
  }
}

/** What two backbones alone understand, with the values that ask for nothing. */
const dualDefaults = {
  classifierBackbone: "yolov5n",
  attention: "none",
  bridge: "none",
  branch: "both",
} as const;

function requireDual(name: string, options: ModelOptions): void {
  for (const [key, nothing] of Object.entries(dualDefaults)) {
    const given = options[key as keyof typeof dualDefaults] ?? nothing;
    if (given !== nothing) {
      throw new EchoDuetError(
        "config",
        `${key}: expects a model with two backbones, such as dual-yolov5n, got ${given} for ${name}; leave it out`,
      );
    }
  }
}

function requireShared(name: string, { matchFlops: target = null }: ModelOptions): void {
  if (target === null) return;
  throw new EchoDuetError(
    "config",
    `matchFlops: expects a model with one backbone, such as joint-yolov5n, got ${target} for ${name}; leave it out`,
  );
}

function requireBothForBridge({ branch = "both", bridge = "none" }: ModelOptions): void {
  if (branch === "both" || bridge === "none") return;
  throw new EchoDuetError(
    "config",
    `bridge: ${bridge} expects both branches, got branch ${branch}; train both, with freeze all for the one that is done`,
  );
}
