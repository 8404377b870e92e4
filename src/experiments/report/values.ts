import { showP, signed } from "../compare/reasons.js";
import type {
  Counted,
  DataProvenance,
  Line,
  Measured,
  Name,
  NumberFormat,
  Provenance,
  Setting,
} from "./document.js";

const grouped = (value: number) => Math.round(value).toLocaleString("en-US");

const formats: Readonly<Record<NumberFormat, (value: number) => string>> = {
  fixed3: (value) => value.toFixed(3),
  fixed2: (value) => value.toFixed(2),
  fixed1: (value) => value.toFixed(1),
  integer: grouped,
  signed2: (value) => signed(value, 2),
  signed3: (value) => signed(value),
  percent1: (value) => `${(100 * value).toFixed(1)} %`,
  signedPercent1: (value) => `${signed(100 * value, 1)} %`,
  p: showP,
  giga3: (value) => (value / 1e9).toFixed(3),
  mega2: (value) => (value / 1e6).toFixed(2),
  mebi: (value) => grouped(value / 2 ** 20),
  digits4: (value) => String(Number(value.toPrecision(4))),
};

/** A number as the report writes it, without its interval. */
export function showNumber(value: number, format: NumberFormat): string {
  return formats[format](value);
}

/** A measured or counted number with its interval, where there is one. */
export function showValue(number: Measured | Counted): string {
  const { value, format } = number;
  const shown = showNumber(value, format);
  if (number.kind === "counted" || number.interval === null) return shown;
  const { low, high } = number.interval;
  return `${shown} [${showNumber(low, format)}, ${showNumber(high, format)}]`;
}

/** A cell with a number from checkpoints; empty where there is none. */
export function measured(
  value: number | null | undefined,
  format: NumberFormat,
  from: readonly Provenance[],
  interval: Measured["interval"] = null,
): readonly Measured[] {
  return value === null || value === undefined || !Number.isFinite(value)
    ? []
    : [{ kind: "measured", value, format, interval, from }];
}

/** A cell with a number counted in data; empty where there is none. */
export function counted(
  value: number | null | undefined,
  from: DataProvenance,
  format: NumberFormat = "integer",
): readonly Counted[] {
  return value === null || value === undefined ? [] : [{ kind: "counted", value, format, from }];
}

/** A name from a file or a log. */
export function name(text: string): readonly Name[] {
  return [{ kind: "name", text }];
}

/** A threshold, or a position on a scale: what the report itself sets, and no result of anything. */
export function scale(value: number, format: NumberFormat): readonly Name[] {
  return name(showNumber(value, format));
}

/** A value of a run's configuration. */
export function setting(text: string, run: string): readonly Setting[] {
  return [{ kind: "setting", text, run }];
}

/** A line as plain text. */
export function plainText(line: Line): string {
  return line.map((part) => ("text" in part ? part.text : showValue(part))).join("");
}
