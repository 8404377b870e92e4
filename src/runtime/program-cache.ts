import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, utimesSync } from "node:fs";
import { arch, cpus, homedir } from "node:os";
import { join, resolve } from "node:path";
import { errnoOf, ioError, writeFileAtomically } from "../io/index.js";
import { reverseNodes } from "../onnx/index.js";
import { onnxruntimeVersion } from "./version.js";

/** Names that the cache gives; nothing else in its folder is touched. */
const entryName = /^[0-9a-f]{64}\.program$/;
const leftOver = /^(new-\w{6}|\.[0-9a-f]{64}\.program\.\d+\.tmp)$/;
const leftOverAgeMs = 3_600_000;
const digestBytes = 32;
const defaultLimitBytes = 2 ** 30;

/**
 * Programs as ONNX Runtime has optimised them, kept on the disk from one start to the next. An entry is a file
 * `KEY.program`: the SHA-256 of an ONNX model, then the model, its nodes reversed. What is damaged counts as absent; what has not been
 * read for longest goes first where the entries outgrow the limit. A folder that refuses costs a warning of the
 * process, never a run.
 */
export class ProgramCache {
  constructor(
    readonly folder: string,
    readonly limitBytes = defaultLimitBytes,
  ) {}

  /**
   * The cache of this user: `programs` in the folder that `ECHODUET_CACHE` names, by default `echoduet` in
   * `XDG_CACHE_HOME` or `~/.cache`; null where `ECHODUET_CACHE` is `off`.
   */
  static ofUser(): ProgramCache | null {
    const { ECHODUET_CACHE: own, XDG_CACHE_HOME: shared } = process.env;
    if (own === "off") return null;
    const folder = own || join(shared || join(homedir(), ".cache"), "echoduet");
    return new ProgramCache(resolve(folder, "programs"));
  }

  /** The optimised model of `key`, undamaged; null where there is none. */
  read(key: string): Uint8Array | null {
    const path = this.#path(key);
    try {
      const entry = readFileSync(path);
      const model = entry.subarray(digestBytes);
      if (entry.length > digestBytes && sha256(model).equals(entry.subarray(0, digestBytes))) {
        const now = new Date();
        utimesSync(path, now, now);
        return model;
      }
      this.discard(key);
    } catch (error) {
      if (errnoOf(error) !== "ENOENT") warn(ioError(path, "read", error).message);
    }
    return null;
  }

  /** Removes the entry of `key`. */
  discard(key: string): void {
    rmSync(this.#path(key), { force: true });
  }

  /**
   * What `make` makes, and with it the entry of `key`: the file that `make` leaves at the path it is given. Where
   * none can be written, `make` is called with null.
   */
  async fill<T>(key: string, make: (path: string | null) => Promise<T>): Promise<T> {
    const place = this.#newPlace();
    if (place === null) return make(null);
    try {
      const file = join(place, "program.onnx");
      const made = await make(file).catch(() => null);
      if (made === null) return await make(null);
      this.#write(key, file);
      return made;
    } finally {
      rmSync(place, { recursive: true, force: true });
    }
  }

  #newPlace(): string | null {
    try {
      mkdirSync(this.folder, { recursive: true });
      return mkdtempSync(join(this.folder, "new-"));
    } catch (error) {
      warn(ioError(this.folder, "written", error).message);
      return null;
    }
  }

  #write(key: string, file: string): void {
    try {
      // ONNX Runtime writes nodes in the order in which it runs them. Of a node's inputs it computes first the one whose
      // node comes last in the file: so it runs them in this order again, and needs no more memory than the first time.
      const model = reverseNodes(readFileSync(file));
      writeFileAtomically(this.#path(key), Buffer.concat([sha256(model), model]));
      this.#trim();
    } catch (error) {
      warn(ioError(this.#path(key), "written", error).message);
    }
  }

  /** Removes what has not been read for longest beyond the limit, and what killed processes left. */
  #trim(): void {
    const files = readdirSync(this.folder).flatMap((name) => {
      const path = join(this.folder, name);
      // Another process may have removed it meanwhile.
      const facts = statSync(path, { throwIfNoEntry: false });
      return facts ? [{ name, path, bytes: facts.size, usedAt: facts.mtimeMs }] : [];
    });
    const stale = files.filter(
      ({ name, usedAt }) => leftOver.test(name) && Date.now() - usedAt > leftOverAgeMs,
    );
    let room = this.limitBytes;
    const beyond = files
      .filter(({ name }) => entryName.test(name))
      .sort((a, b) => b.usedAt - a.usedAt)
      .filter(({ bytes }) => {
        room -= bytes;
        return room < 0;
      });
    for (const { path } of [...stale, ...beyond]) rmSync(path, { recursive: true, force: true });
  }

  #path(key: string): string {
    return join(this.folder, `${key}.program`);
  }
}

/**
 * The key of a program: SHA-256 of the model, of the options of its session, and of what ONNX Runtime's optimised
 * form depends on besides: its version and the processor with its extensions.
 */
export function programKey(model: Uint8Array, options: object): string {
  const place = [
    "nodes reversed",
    onnxruntimeVersion,
    process.platform,
    arch(),
    cpus()[0]?.model,
    processorFlags(),
  ];
  const about = JSON.stringify([place, options]);
  return createHash("sha256").update(`${about.length}:${about}`).update(model).digest("hex");
}

/** The extensions that Linux lists; elsewhere the processor's name has to tell. */
function processorFlags(): string | null {
  try {
    return /^(?:flags|Features)\s*:.*$/m.exec(readFileSync("/proc/cpuinfo", "utf8"))?.[0] ?? null;
  } catch {
    return null;
  }
}

function sha256(bytes: Uint8Array): Buffer {
  return createHash("sha256").update(bytes).digest();
}

const warned = new Set<string>();

/** Says once what the cache could not do. */
function warn(reason: string): void {
  if (warned.has(reason)) return;
  warned.add(reason);
  process.emitWarning(
    `program cache: ${reason}, or to switch the cache off set ECHODUET_CACHE=off; programs are optimised anew`,
    "EchoDuetWarning",
  );
}
