import { z } from "zod";
import {
  type Alarm,
  type AlarmOptions,
  type AlarmState,
  type Balancer,
  createAlarmState,
  watchWeights,
} from "../balancing/index.js";
import type { StepReport } from "./session.js";

const numbers = z.record(z.string(), z.number());
const sums = z.record(z.string(), z.strictObject({ share: z.number(), loss: z.number() }));

/** An `AlarmState` as a checkpoint holds it. */
export const alarmStateSchema = z.strictObject({
  stuck: z.strictObject({ updates: z.int(), sums, before: sums.nullable() }),
  unstable: z.strictObject({
    updates: z.int(),
    jumps: z.int(),
    floored: numbers,
    last: numbers.nullable(),
  }),
  raised: z.array(z.string()),
});

/** Raises the alarms of a training whose balancer asks for it. */
export class BalanceWatch {
  #state: AlarmState = createAlarmState();
  readonly #options: AlarmOptions | undefined;

  constructor(balancer: Balancer) {
    this.#options = balancer.kind === "weighting" ? balancer.alarms : undefined;
  }

  get state(): AlarmState {
    return this.#state;
  }

  restore(state: AlarmState): void {
    this.#state = state;
  }

  /** The alarms that begin with this step. */
  after({ losses, taskWeights, balance }: StepReport): Alarm[] {
    if (this.#options === undefined || balance === undefined) return [];
    const total = Object.values(taskWeights).reduce((sum, weight) => sum + weight, 0);
    const tasks = Object.entries(taskWeights).map(([name, weight]) => ({
      name,
      share: weight / total,
      loss: losses[name],
    }));
    const { state, alarms } = watchWeights(this.#state, tasks, this.#options);
    this.#state = state;
    return alarms;
  }
}
