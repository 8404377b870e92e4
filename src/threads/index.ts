/** Worker threads that answer tasks. */
export { answerTasks, type WorkerAnswer } from "./worker-protocol.js";
export { WorkerPool } from "./worker-pool.js";
