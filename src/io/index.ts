/** Files: atomic writing, hashes, and the file system's refusals as errors with a remedy. */
export * from "./atomic-file.js";
