import { z } from "zod";
import { innermost, objectShape } from "./resolve.js";
import { type TrainConfig, trainConfigSchema } from "./train-config.js";

/** A single value of the training configuration, as an option of the command line. */
export interface TrainOption {
  /** Where it stands in the configuration: `["ema", "decay"]`. */
  readonly path: readonly string[];
  /** Its flag: `--ema-decay`. */
  readonly flag: string;
  readonly kind: "number" | "boolean" | "choice" | "text";
  /** The allowed values of a choice, else empty. */
  readonly choices: readonly string[];
  /** What it means, with unit and default. */
  readonly help: string;
}

/** Every default of the schema; the two fields that have none are left out. */
const { data: _data, model: _model, ...defaults } = trainConfigSchema.parse({ data: "-", model: "-" });

/** Every value of the training configuration, in the order of the schema. */
export const trainOptions: readonly TrainOption[] = collect(
  objectShape(trainConfigSchema) ?? {},
  defaults,
  [],
);

/** What each field of the training configuration means, with its unit and default. */
export const trainOptionHelp = Object.fromEntries(
  Object.entries(trainConfigSchema.shape).map(([key, schema]) => [
    key,
    helpOf(schema, (defaults as Record<string, unknown>)[key]),
  ]),
) as Record<keyof TrainConfig, string>;

function collect(
  shape: Record<string, z.ZodType>,
  values: Record<string, unknown>,
  path: readonly string[],
): TrainOption[] {
  return Object.entries(shape).flatMap(([key, schema]) => {
    const here = [...path, key];
    const fields = objectShape(schema);
    if (fields) return collect(fields, values[key] as Record<string, unknown>, here);
    const inner = innermost(schema);
    const choices = inner instanceof z.ZodEnum ? inner.options.map(String) : [];
    return [
      { path: here, flag: flagOf(here), kind: kindOf(inner), choices, help: helpOf(schema, values[key]) },
    ];
  });
}

function kindOf(schema: z.ZodType): TrainOption["kind"] {
  if (schema instanceof z.ZodNumber) return "number";
  if (schema instanceof z.ZodBoolean) return "boolean";
  return schema instanceof z.ZodEnum ? "choice" : "text";
}

/** `--label-smoothing-detection` of `["labelSmoothing", "detection"]`. */
function flagOf(path: readonly string[]): string {
  const words = path.map((part) => part.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`).replaceAll("_", "-"));
  return `--${words.join("-")}`;
}

function helpOf(schema: z.ZodType, value: unknown): string {
  const shown = value === undefined || value === null ? "" : ` (default: ${showDefault(value)})`;
  return `${schema.description ?? ""}${shown}`;
}

function showDefault(value: unknown): string {
  if (typeof value !== "object" || value === null) return String(value);
  const fields = Object.entries(value);
  if ("width" in value && "height" in value) {
    return value.width === value.height ? `${value.width}` : `${value.width}x${value.height}`;
  }
  return fields.map(([key, field]) => `${key} ${field}`).join(", ");
}
