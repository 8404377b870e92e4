import type { HostTensor } from "./host-tensor.js";

let port: InstanceType<typeof MessageChannel>["port1"] | undefined;

/**
 * Frees the memory of tensors at once, those that share a buffer with them included: their data has no elements from
 * then on. Garbage collection would free it as well, but hardly sees memory outside its own heap, and may leave several
 * times as much lying about.
 */
export function releaseTensors(tensors: Iterable<HostTensor>): void {
  port ??= closedPort();
  // What is sent to nobody is dropped, and what is sent is no longer here.
  port.postMessage(null, [...new Set([...tensors].map(({ data }) => data.buffer as ArrayBuffer))]);
}

function closedPort(): InstanceType<typeof MessageChannel>["port1"] {
  const { port1, port2 } = new MessageChannel();
  port2.close();
  return port1;
}
