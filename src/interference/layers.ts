/** The parameters of one layer of a network. */
export interface Layer {
  readonly name: string;
  /** Full names. */
  readonly parameters: readonly string[];
}

/**
 * The layer that a parameter belongs to: its name without the last component, and without a `conv` or `bn`
 * before that, so that a convolution and its batch normalisation are one layer. `model.17.cv3.conv.weight` and
 * `model.17.cv3.bn.bias` are of `model.17.cv3`, `classifier.linear.weight` of `classifier.linear`.
 */
export function layerOf(parameter: string): string {
  return parameter.replace(/(^|\.)[^.]+$/, "").replace(/\.(conv|bn)$/, "");
}

/** The layers of `parameters`, in the order in which they first come up. */
export function groupByLayer(parameters: readonly string[]): Layer[] {
  const layers = new Map<string, string[]>();
  for (const name of parameters) {
    const layer = layerOf(name);
    const members = layers.get(layer);
    if (members) members.push(name);
    else layers.set(layer, [name]);
  }
  return [...layers].map(([name, members]) => ({ name, parameters: members }));
}
