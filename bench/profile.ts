/** An operator kind's part of the time. */
export interface OperatorShare {
  readonly operator: string;
  /** Of the time in all operators, 0..1. */
  readonly share: number;
  /** Nodes of this kind in one step. */
  readonly nodes: number;
  readonly millisecondsPerStep: number;
}

/** One node that takes long. */
export interface SlowNode {
  readonly operator: string;
  readonly name: string;
  readonly millisecondsPerStep: number;
  /** Shapes of the inputs as ONNX Runtime gives them, `8x16x160x160`, scalars as `-`. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
}

interface NodeEvent {
  readonly cat: string;
  readonly name: string;
  readonly ts: number;
  readonly dur: number;
  readonly args?: {
    readonly op_name?: string;
    readonly input_type_shape?: readonly Readonly<Record<string, readonly number[]>>[];
    readonly output_type_shape?: readonly Readonly<Record<string, readonly number[]>>[];
  };
}

const slowestNodes = 10;

/** Sums the operator events of the last `steps` runs of an ONNX Runtime profile (times in microseconds). */
export function readProfile(
  profile: unknown,
  steps: number,
): { operators: OperatorShare[]; slowest: SlowNode[] } {
  const events = profile as readonly NodeEvent[];
  const runs = events.filter(({ cat, name }) => cat === "Session" && name === "model_run");
  const start = Math.min(...runs.slice(-steps).map(({ ts }) => ts));
  const kernels = events.filter(
    ({ cat, ts, name }) => cat === "Node" && ts >= start && name.endsWith("_kernel_time"),
  );
  const total = sumOf(kernels);
  const byOperator = groupBy(kernels, ({ args }) => args?.op_name ?? "unknown");
  const byNode = groupBy(kernels, ({ name }) => name);
  return {
    operators: [...byOperator]
      .map(([operator, own]) => ({
        operator,
        share: sumOf(own) / total,
        nodes: own.length / steps,
        millisecondsPerStep: sumOf(own) / 1000 / steps,
      }))
      .sort((a, b) => b.share - a.share),
    slowest: [...byNode]
      .map(([name, own]) => ({
        operator: own[0].args?.op_name ?? "unknown",
        name: name.replace(/_kernel_time$/, ""),
        millisecondsPerStep: sumOf(own) / 1000 / steps,
        inputs: shapesOf(own[0].args?.input_type_shape),
        outputs: shapesOf(own[0].args?.output_type_shape),
      }))
      .sort((a, b) => b.millisecondsPerStep - a.millisecondsPerStep)
      .slice(0, slowestNodes),
  };
}

function sumOf(events: readonly NodeEvent[]): number {
  return events.reduce((sum, { dur }) => sum + dur, 0);
}

function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group) group.push(item);
    else groups.set(key, [item]);
  }
  return groups;
}

function shapesOf(types: readonly Readonly<Record<string, readonly number[]>>[] = []): string[] {
  return types.flatMap((type) => Object.values(type).map((shape) => shape.join("x") || "-"));
}
