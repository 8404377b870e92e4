import type { Value } from "../graph/index.js";
import { reshape, split } from "../graph/index.js";
import type { TaskName } from "../models/index.js";
import type { BufferSpec, ParameterRole, ParameterSpec } from "../nn/index.js";
import { type HostTensor, hostTensor, randomStream, type Shape, sizeOf } from "../tensor/index.js";

/** One tensor's place in a flat group. */
export interface LayoutEntry {
  readonly name: string;
  readonly shape: Shape;
  /** First element within the group. */
  readonly offset: number;
}

/** Tensors that lie end to end in one float32 vector, so that a step handles a few long vectors, not hundreds of short ones. */
export interface FlatGroup {
  readonly name: string;
  /** Elements of the whole group. */
  readonly size: number;
  readonly entries: readonly LayoutEntry[];
}

/** Parameters that are trained alike. */
export interface ParameterGroup extends FlatGroup {
  readonly role: ParameterRole;
  /** The task whose own network they belong to; null where tasks share one. */
  readonly branch: TaskName | null;
}

/** Where every parameter and buffer of a model lies in the training state. */
export interface StateLayout {
  /** Those that are trained. */
  readonly parameters: readonly ParameterGroup[];
  /** Parameters that stay as they are: at most one group a branch. */
  readonly frozen: readonly FlatGroup[];
  /** At most one group a branch. */
  readonly buffers: readonly FlatGroup[];
}

/** What decides in which group a tensor lies. */
export interface Grouping {
  branchOf(tensor: string): TaskName | null;
  isFrozen(parameter: string): boolean;
}

const roles: readonly ParameterRole[] = ["weight", "norm", "bias"];

/**
 * Groups parameters by branch and role, in the order of declaration; a group without members is left out. Groups of
 * a branch are `BRANCH.GROUP`, so a branch alone has the state that it has beside another one.
 */
export function layOut(
  parameters: readonly ParameterSpec[],
  buffers: readonly BufferSpec[],
  { branchOf, isFrozen }: Grouping,
): StateLayout {
  const branches = [...new Set([...parameters, ...buffers].map(({ name }) => branchOf(name)))];
  const groups = <S extends { readonly name: string; readonly shape: Shape }>(
    group: string,
    specs: readonly S[],
  ) =>
    branches.flatMap((branch) => {
      const members = specs.filter(({ name }) => branchOf(name) === branch);
      const name = partName(branch, group);
      return members.length === 0 ? [] : [{ branch, ...flatGroup(name, members) }];
    });
  const trained = parameters.filter(({ name }) => !isFrozen(name));
  const byRole = roles.flatMap((role) =>
    groups(
      role,
      trained.filter((spec) => spec.role === role),
    ).map((group) => ({ role, ...group })),
  );
  return {
    parameters: branches.flatMap((branch) => byRole.filter((group) => group.branch === branch)),
    frozen: groups(
      "frozen",
      parameters.filter(({ name }) => isFrozen(name)),
    ),
    buffers: groups("buffers", buffers),
  };
}

/** `BRANCH.NAME`, or the name alone for a model without branches: of groups and of what the host feeds for them. */
export function partName(branch: TaskName | null, name: string): string {
  return branch === null ? name : `${branch}.${name}`;
}

function flatGroup(name: string, specs: readonly { name: string; shape: Shape }[]): FlatGroup {
  let size = 0;
  const entries = specs.map((spec) => {
    const entry = { name: spec.name, shape: spec.shape, offset: size };
    size += sizeOf(spec.shape);
    return entry;
  });
  return { name, size, entries };
}

/** The tensors of a group as views of its vector, by name. */
export function unpack(group: FlatGroup, vector: HostTensor): Map<string, HostTensor<"float32">> {
  const data = vector.data as Float32Array;
  return new Map(
    group.entries.map(({ name, shape, offset }) => [
      name,
      hostTensor("float32", shape, data.subarray(offset, offset + sizeOf(shape))),
    ]),
  );
}

/** A group's vector from its tensors by name. */
export function pack(group: FlatGroup, tensors: ReadonlyMap<string, HostTensor>): HostTensor<"float32"> {
  const data = new Float32Array(group.size);
  for (const { name, offset } of group.entries) data.set(tensors.get(name)?.data as Float32Array, offset);
  return hostTensor("float32", [group.size], data);
}

/** The tensors of a group as graph values, by name. */
export function unpackValues(group: FlatGroup, vector: Value): Map<string, Value> {
  const pieces = split(
    vector,
    0,
    group.entries.map(({ shape }) => sizeOf(shape)),
  );
  return new Map(group.entries.map(({ name, shape }, i) => [name, reshape(pieces[i], shape)]));
}

/**
 * New parameters and buffers by name. Each parameter's numbers come from a stream keyed by its name, so
 * that a model's parts start alike whatever stands beside them.
 */
export function initialTensors(
  parameters: readonly ParameterSpec[],
  buffers: readonly BufferSpec[],
  seed: number,
): Map<string, HostTensor<"float32">> {
  const tensors = new Map<string, HostTensor<"float32">>();
  for (const { name, shape, initial } of parameters) {
    tensors.set(name, hostTensor("float32", shape, initial(shape, randomStream(seed, "parameter", name))));
  }
  for (const { name, shape, initial } of buffers) {
    tensors.set(name, hostTensor("float32", shape, new Float32Array(sizeOf(shape)).fill(initial)));
  }
  return tensors;
}
