import type { Value } from "../graph/index.js";
import { reshape, split } from "../graph/index.js";
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

/** Where every parameter and buffer of a model lies in the training state. */
export interface StateLayout {
  readonly parameters: readonly (FlatGroup & { readonly role: ParameterRole })[];
  readonly buffers: FlatGroup;
}

const roles: readonly ParameterRole[] = ["weight", "norm", "bias"];

/** Groups parameters by role, in the order of declaration; a role without parameters has no group. */
export function layOut(parameters: readonly ParameterSpec[], buffers: readonly BufferSpec[]): StateLayout {
  return {
    parameters: roles
      .map((role) => ({
        role,
        ...flatGroup(
          role,
          parameters.filter((spec) => spec.role === role),
        ),
      }))
      .filter((group) => group.size > 0),
    buffers: flatGroup("buffers", buffers),
  };
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
