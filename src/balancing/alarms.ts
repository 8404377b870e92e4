/** One task's numbers at an update of the weights. */
export interface WatchedTask {
  readonly name: string;
  /** Share of the sum of weights, 0..1. */
  readonly share: number;
  /** Unweighted loss. */
  readonly loss: number;
}

/** A condition that has begun. */
export interface Alarm {
  readonly alarm: "stuck-task" | "unstable-weights";
  /** The task that it concerns; null for all. */
  readonly task: string | null;
  readonly message: string;
}

export interface AlarmOptions {
  /** Updates over which a task is watched for being stuck; 0: never. */
  readonly stuckUpdates: number;
  /** Updates over which the weights are watched for instability; 0: never. */
  readonly unstableUpdates: number;
  /** Least share of a weight. */
  readonly floor: number;
}

/** What a watch remembers, as plain data: a resumed run raises the alarms of an uninterrupted one. */
export type AlarmState = {
  readonly stuck: StuckBlock;
  readonly unstable: UnstableBlock;
  /** Conditions that hold, by alarm and task, so that each is told once. */
  readonly raised: string[];
};

type StuckBlock = {
  readonly updates: number;
  readonly sums: Readonly<Record<string, { readonly share: number; readonly loss: number }>>;
  /** Means of the block before; null until there is one. */
  readonly before: StuckBlock["sums"] | null;
};

type UnstableBlock = {
  readonly updates: number;
  readonly jumps: number;
  readonly floored: Readonly<Record<string, number>>;
  readonly last: Readonly<Record<string, number>> | null;
};

/** Growth of a share from one block to the next from which it counts as rising. */
const rising = 1.05;
/** A loss above this part of the block before counts as not falling. */
const notFalling = 0.99;
/** Share of a block's updates that make it unstable. */
const often = 0.1;

/** The state of a watch that has seen nothing. */
export function createAlarmState(): AlarmState {
  return {
    stuck: { updates: 0, sums: {}, before: null },
    unstable: { updates: 0, jumps: 0, floored: {}, last: null },
    raised: [],
  };
}

/**
 * Watches learnt weights for two failures that the GradNorm paper names: a **stuck task**, whose weight rises although its
 * loss does not fall (it would gain weight for ever), and **unstable weights** (the paper: α from 3 on), which jump (one
 * doubles or halves in a single update, in a tenth of the block's updates) or lie at the floor in half of them. Both are
 * judged over consecutive blocks of updates, a stuck task by the means of two blocks; an alarm is raised once, and again
 * only after a block without it.
 */
export function watchWeights(
  state: AlarmState,
  tasks: readonly WatchedTask[],
  options: AlarmOptions,
): { state: AlarmState; alarms: Alarm[] } {
  const stuck = watchStuck(state.stuck, tasks, options.stuckUpdates);
  const unstable = watchUnstable(state.unstable, tasks, options);
  const found = [...(stuck.alarms ?? []), ...(unstable.alarms ?? [])];
  const keyOf = ({ alarm, task }: Pick<Alarm, "alarm" | "task">) => `${alarm} ${task ?? ""}`;
  // Only a block that has ended can tell that its condition is over.
  const open = state.raised.filter(
    (key) =>
      (key.startsWith("stuck-task") ? stuck.alarms === null : unstable.alarms === null) ||
      found.some((alarm) => keyOf(alarm) === key),
  );
  const fresh = found.filter((alarm) => !state.raised.includes(keyOf(alarm)));
  return {
    state: { stuck: stuck.block, unstable: unstable.block, raised: [...open, ...fresh.map(keyOf)] },
    alarms: fresh,
  };
}

function watchStuck(
  block: StuckBlock,
  tasks: readonly WatchedTask[],
  length: number,
): { block: StuckBlock; alarms: Alarm[] | null } {
  if (length === 0) return { block, alarms: null };
  const sums = Object.fromEntries(
    tasks.map(({ name, share, loss }) => {
      const sum = block.sums[name] ?? { share: 0, loss: 0 };
      return [name, { share: sum.share + share / length, loss: sum.loss + loss / length }];
    }),
  );
  const updates = block.updates + 1;
  if (updates < length) return { block: { ...block, updates, sums }, alarms: null };
  const { before } = block;
  const alarms = Object.entries(sums).flatMap(([name, now]): Alarm[] => {
    const then = before?.[name];
    if (!then || now.share < rising * then.share || now.loss < notFalling * then.loss) return [];
    const message =
      `${name}: its weight rose from ${percent(then.share)} to ${percent(now.share)} of the total over ${length} updates, ` +
      `while its loss went from ${number(then.loss)} to ${number(now.loss)}: a stuck task would gain weight for ever; ` +
      "check its labels, lower --alpha, or weight it yourself (--balancer static)";
    return [{ alarm: "stuck-task", task: name, message }];
  });
  return { block: { updates: 0, sums: {}, before: sums }, alarms };
}

function watchUnstable(
  block: UnstableBlock,
  tasks: readonly WatchedTask[],
  { unstableUpdates: length, floor }: AlarmOptions,
): { block: UnstableBlock; alarms: Alarm[] | null } {
  if (length === 0) return { block, alarms: null };
  const shares = Object.fromEntries(tasks.map(({ name, share }) => [name, share]));
  const jumped = Object.entries(shares).some(([name, share]) => {
    const last = block.last?.[name];
    return last !== undefined && (share >= 2 * last || share <= last / 2);
  });
  const floored = Object.fromEntries(
    tasks.map(({ name, share }) => [
      name,
      (block.floored[name] ?? 0) + (floor > 0 && share <= 1.01 * floor ? 1 : 0),
    ]),
  );
  const jumps = block.jumps + (jumped ? 1 : 0);
  const updates = block.updates + 1;
  if (updates < length) return { block: { updates, jumps, floored, last: shares }, alarms: null };
  const remedy = "lower --alpha or --balancer-lr";
  const alarms: Alarm[] = Object.entries(floored).flatMap(([name, times]) =>
    times < length / 2
      ? []
      : [
          {
            alarm: "unstable-weights",
            task: name,
            message: `${name}: its weight lay at the floor (${percent(floor)} of the total) in ${times} of ${length} updates; ${remedy}`,
          },
        ],
  );
  if (jumps > often * length) {
    const message = `a task's weight at least doubled or halved in ${jumps} of ${length} updates; ${remedy}`;
    alarms.push({ alarm: "unstable-weights", task: null, message });
  }
  return { block: { updates: 0, jumps: 0, floored: {}, last: shares }, alarms };
}

function percent(share: number): string {
  return `${Number((100 * share).toPrecision(3))} %`;
}

function number(value: number): string {
  return String(Number(value.toPrecision(4)));
}
