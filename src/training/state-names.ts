/** Names of the state tensors of a training step, which are also those of a checkpoint. */
export const stateNames = {
  parameters: (group: string) => `parameters/${group}`,
  slot: (slot: string, group: string) => `${slot}/${group}`,
  accumulated: (group: string) => `accumulated/${group}`,
  /** One task's part of it, where a balancer combines the tasks' gradients. */
  taskAccumulated: (task: string, group: string) => `accumulated/${task}/${group}`,
  /** Of a group of parameters or buffers. */
  average: (group: string) => `average/${group}`,
  buffers: (group: string) => group,
  balancer: (name: string) => `balancer/${name}`,
  /** Sums over the batches since the last update, for the balancer's update. */
  windowLosses: "window/losses",
  windowCounts: "window/counts",
  windowGradient: (task: string) => `window/gradient/${task}`,
  next: (name: string) => `next/${name}`,
} as const;
