import type { StepPlace } from "../balancing/index.js";
import { EchoDuetError } from "../errors.js";
import type { HostTensor } from "../tensor/index.js";
import { type StateLayout, unpack } from "./state-layout.js";
import { stateNames } from "./state-names.js";
import type { StepProgram } from "./step-programs.js";

export interface Divergence {
  /** The step, from 1 over the whole run. */
  readonly step: number;
  readonly report: { readonly losses: Readonly<Record<string, number>>; readonly gradientNorm: number };
  /** The feeds of the failed step, state included. */
  readonly feeds: ReadonlyMap<string, HostTensor>;
  readonly layout: StateLayout;
  readonly place: StepPlace;
  /** Compiles the step with every parameter's gradient as an output. */
  readonly inspect: () => Promise<StepProgram>;
}

/** The error for a training step that met a number that is not finite: it names step, task and tensor. */
export async function explainDivergence({
  step,
  report,
  feeds,
  layout,
  place,
  inspect,
}: Divergence): Promise<EchoDuetError> {
  const remedy =
    "lower --lr0, raise --warmup-epochs or --clip-norm, and check the data; a checkpoint saved before is intact";
  const parameters = [...layout.parameters, ...layout.frozen].flatMap((group) => [
    ...unpack(group, feeds.get(stateNames.parameters(group.name)) as HostTensor),
  ]);
  for (const [name, tensor] of [...parameters, ...feeds]) {
    if (tensor.dtype === "float32" && firstBroken(tensor) !== undefined) {
      return diverged(`step ${step}: the step was fed ${name} with ${firstBroken(tensor)}; ${remedy}`);
    }
  }
  const [task, loss] = Object.entries(report.losses).find(([, value]) => !Number.isFinite(value)) ?? [];
  if (task !== undefined) return diverged(`step ${step}: the loss ${task} is ${loss}; ${remedy}`);
  const program = await inspect();
  try {
    const results = await program.run(feeds, place);
    for (const [name, tensor] of results) {
      const broken = name.startsWith("gradient.") ? firstBroken(tensor) : undefined;
      if (broken !== undefined) {
        return diverged(
          `step ${step}: the gradient of ${name.slice("gradient.".length)} has ${broken}; ${remedy}`,
        );
      }
    }
  } finally {
    await program.close();
  }
  return diverged(`step ${step}: the norm of the accumulated gradient is ${report.gradientNorm}; ${remedy}`);
}

function firstBroken(tensor: HostTensor): number | undefined {
  return (tensor.data as Float32Array).find((value) => !Number.isFinite(value));
}

function diverged(message: string): EchoDuetError {
  return new EchoDuetError("diverged", message);
}
