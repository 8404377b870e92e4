/** The only importer of ONNX Runtime: devices, compiled programs, sessions of ONNX files. */
export { type DeviceName, deviceNames, deviceOptions, resolveThreads } from "./devices.js";
export { onnxruntimeVersion } from "./version.js";
export { Program, type ProgramOptions, type Results } from "./program.js";
export { ThreadedProgram } from "./threaded-program.js";
