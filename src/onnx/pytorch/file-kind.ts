/** What a weights file looks like from its first bytes. */
export type FileKind = "empty" | "zip" | "pickle" | "tar" | "safetensors" | "git-lfs" | "html" | "unknown";

const descriptions: Record<FileKind, string> = {
  empty: "an empty file",
  zip: "a zip archive (a PyTorch .pt is one)",
  pickle: "a bare pickle (PyTorch's format before 1.6, or another program's)",
  tar: "a tar archive (PyTorch's format before 0.4)",
  safetensors: "a safetensors file",
  "git-lfs": "a Git LFS pointer instead of the file it points to",
  html: "a web page",
  unknown: "bytes of no known weights format",
};

/** The kind of file that `bytes` (uint8, the whole file or its first 512 bytes) begin like. */
export function fileKind(bytes: Uint8Array): FileKind {
  if (bytes.length === 0) return "empty";
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, 512)).toString("latin1");
  if (head.startsWith("PK\x03\x04") || head.startsWith("PK\x05\x06")) return "zip";
  if (head.startsWith("version https://git-lfs")) return "git-lfs";
  if (head.slice(257, 262) === "ustar") return "tar";
  // A safetensors header is JSON after eight bytes of length, whose upper four are zero in any real file.
  if (head[8] === "{" && head.slice(4, 8) === "\0\0\0\0") return "safetensors";
  if (bytes[0] === 0x80 && bytes[1] >= 2 && bytes[1] <= 5) return "pickle";
  if (/^\s*<(!doctype|html)/i.test(head)) return "html";
  return "unknown";
}

/** `kind` in words, for messages: "a web page". */
export function describeFileKind(kind: FileKind): string {
  return descriptions[kind];
}
