/** The thread that decodes and letterboxes images for the frame loader. */
import { parentPort } from "node:worker_threads";
import sharp from "sharp";
import { EchoDuetError } from "../errors.js";
import { decodeImage, letterbox } from "./image.js";
import type { LoadReply, LoadRequest } from "./worker-protocol.js";

const port = parentPort;
if (!port) throw new EchoDuetError("runtime", "loader worker: expected to run as a worker thread");

// One image at a time and none kept: the processor belongs to the training step, the cache to the loader.
sharp.concurrency(1);
sharp.cache(false);

let last: Promise<void> = Promise.resolve();
port.on("message", (request: LoadRequest) => {
  last = last.then(() => answer(request)).then(([reply, transfer]) => port.postMessage(reply, transfer));
});

async function answer({ id, path, size }: LoadRequest): Promise<[LoadReply, ArrayBuffer[]]> {
  try {
    const image = letterbox(await decodeImage(path), size);
    return [{ id, image }, [image.data.buffer as ArrayBuffer]];
  } catch (error) {
    const code = error instanceof EchoDuetError ? error.code : "runtime";
    const message = error instanceof Error ? error.message : String(error);
    return [{ id, fault: { code, message } }, []];
  }
}
