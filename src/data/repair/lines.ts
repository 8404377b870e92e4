/**
 * A line of a text file. Bytes are kept as a text of code units 0..255 (latin1), so that lines that nobody
 * touches, and files that are no valid UTF-8, come out byte for byte as they went in.
 */
export interface TextLine {
  readonly bytes: string;
  /** The line break as it is, empty at the end of a file without one. */
  readonly end: string;
}

const mark = "\u00EF\u00BB\u00BF";

/** Cuts a file into lines, numbered as `scanLabel` numbers them; joined they are the file again. */
export function cutLines(contents: Buffer): TextLine[] {
  const found = contents.toString("latin1").matchAll(/([^\r\n]*)(\r\n|\r|\n)|([^\r\n]+)$/g);
  return Array.from(found, ([, bytes, end, last]) => ({ bytes: bytes ?? last, end: end ?? "" }));
}

/** The file that lines make. */
export function joinLines(lines: readonly TextLine[]): Buffer {
  return Buffer.from(lines.map(({ bytes, end }) => bytes + end).join(""), "latin1");
}

/** What a line says: its text without a byte order mark and the blanks around it. */
export function textOf({ bytes }: TextLine): string {
  return Buffer.from(bytes, "latin1")
    .toString("utf8")
    .replace(/^\uFEFF/, "")
    .trim();
}

/** The line with another text between its byte order mark and blanks. */
export function withText(line: TextLine, text: string): TextLine {
  const [before] = /^(?:\u00EF\u00BB\u00BF)?[ \t]*/.exec(line.bytes) ?? [""];
  const [after] = /[ \t]*$/.exec(line.bytes.slice(before.length)) ?? [""];
  return { bytes: before + encode(text) + after, end: line.end };
}

/** The lines without that of an index; a byte order mark in front of it stays. */
export function withoutLines(lines: readonly TextLine[], removed: ReadonlySet<number>): TextLine[] {
  const kept = lines.filter((_, index) => !removed.has(index));
  if (!removed.has(0) || !lines[0].bytes.startsWith(mark) || kept.length === 0) return kept;
  return [{ bytes: mark + kept[0].bytes, end: kept[0].end }, ...kept.slice(1)];
}

/** The lines with a view line after them, set off by a blank line as the canonical form has it. */
export function withViewLine(lines: readonly TextLine[], text: string): TextLine[] {
  const end = lines.find((line) => line.end !== "")?.end ?? "\n";
  const closed = lines.map((line) => (line.end === "" ? { ...line, end } : line));
  const last = closed.at(-1);
  const gap = last && textOf(last) !== "" ? [{ bytes: "", end }] : [];
  return [...closed, ...gap, { bytes: encode(text), end }];
}

/** The text with some of its words, counted from 0, replaced; what is between the words stays. */
export function replaceWords(text: string, replacements: ReadonlyMap<number, string>): string {
  let index = 0;
  return text.replace(/\S+/g, (word) => replacements.get(index++) ?? word);
}

function encode(text: string): string {
  return Buffer.from(text, "utf8").toString("latin1");
}
