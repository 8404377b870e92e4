/** Worker threads that answer tasks. */
export { answerTasks, type WorkerAnswer } from "./worker-protocol.js";
export { builtScript, WorkerPool } from "./worker-pool.js";
