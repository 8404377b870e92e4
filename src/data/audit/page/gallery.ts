import sharp from "sharp";
import { forbiddenClasses } from "../rules.js";
import { classesOf } from "../rules.js";
import type { Evidence } from "../evidence.js";
import type { ScannedFrame } from "../scan.js";
import { colourOf } from "./charts.js";
import { escapeHtml } from "./markup.js";

/** Pictures of each kind on a page; the page has to be mailed and printed. */
const mostPictures = 8;
const width = 260;

/** Pictures of what the findings are about: a group a kind, each with its heading. */
export async function gallery(evidence: Evidence): Promise<{ title: string; html: string }[]> {
  const frameOf = new Map(evidence.scan.frames.map((frame) => [frame.name, frame]));
  const pairs = duplicatesToShow(evidence).map(([a, b, caption]) => pair(frameOf, evidence, a, b, caption));
  const broken = violations(evidence).map(({ frame, caption }) => single(frame, evidence, caption));
  const mixed = spread(evidence.mixedClips).flatMap(({ clip, majority, dissenters }) => {
    const dissenter = frameOf.get(dissenters[0]);
    const other = evidence.scan.frames.find(
      (frame) => frame.video === clip && frame.view >= 0 && frame.view !== dissenter?.view,
    );
    if (!other || !dissenter) return [];
    const label = (frame: ScannedFrame): string => evidence.scan.views[frame.view];
    const caption = `clip ${clip}: left ${label(other)}, right ${label(dissenter)}; ${majority === null ? "a tie" : `most frames say ${majority}`}`;
    return [pair(frameOf, evidence, other.name, dissenter.name, caption)];
  });
  const text = (evidence.images?.images ?? []).filter(({ facts }) => facts.textAreas.length > 0);
  const marked = spread(text).flatMap(({ name, facts }) => {
    const frame = frameOf.get(name);
    return frame ? [single(frame, evidence, "burnt-in text", { facts })] : [];
  });
  const groups = [
    { title: "Duplicates", pictures: pairs },
    { title: "Clips of several views", pictures: mixed },
    { title: "Classes that the view cannot show", pictures: broken },
    { title: "Burnt-in text", pictures: marked },
  ];
  const drawn: { title: string; html: string }[] = [];
  for (const { title, pictures } of groups) {
    const html = (await Promise.all(pictures)).join("\n");
    if (html !== "") drawn.push({ title, html: `<div class="gallery">${html}</div>` });
  }
  return drawn;
}

/** Pairs across splits first, since they spoil a score. */
function duplicatesToShow({ images, scan }: Evidence): (readonly [string, string, string])[] {
  const splitOf = new Map(scan.frames.map(({ name, split }) => [name, split]));
  const pairs = (images?.pairs ?? []).map((pair) => ({
    ...pair,
    across: splitOf.get(pair.a) !== splitOf.get(pair.b),
  }));
  const ordered = [...pairs.filter(({ across }) => across), ...pairs.filter(({ across }) => !across)];
  return ordered.slice(0, mostPictures).map(({ a, b, kind, distance, correlation }) => {
    const where =
      splitOf.get(a) === splitOf.get(b)
        ? `both in ${splitOf.get(a)}`
        : `${splitOf.get(a)} and ${splitOf.get(b)}`;
    const how =
      kind === "exact" ? "the same picture" : `${distance} bits apart, correlation ${correlation.toFixed(3)}`;
    return [a, b, `${how}; ${where}`];
  });
}

function violations({ rules, scan }: Evidence): { frame: ScannedFrame; caption: string }[] {
  if (!rules || !scan.viewsDeclared) return [];
  const broken = scan.frames.flatMap((frame) => {
    const classes = classesOf(frame).map((index) => scan.description.names[index]);
    const view = scan.views[frame.view];
    const forbidden = frame.view < 0 ? [] : forbiddenClasses(rules.rules, view, classes);
    return forbidden.length === 0 ? [] : [{ frame, caption: `${forbidden.join(", ")} in ${view}` }];
  });
  return spread(broken);
}

/** Some of the items, evenly from all of them, so that one patient does not fill the page. */
function spread<T>(items: readonly T[]): T[] {
  const count = Math.min(items.length, mostPictures);
  return Array.from({ length: count }, (_, i) => items[Math.floor((i * items.length) / count)]);
}

async function single(
  frame: ScannedFrame,
  evidence: Evidence,
  caption: string,
  text?: { facts: { width: number; height: number; textAreas: readonly (readonly number[])[] } },
): Promise<string> {
  const shown = await picture(frame, evidence, text?.facts);
  return `<figure>${shown}<figcaption>${escapeHtml(caption)}<br><span class="file">${escapeHtml(frame.name)}</span></figcaption></figure>`;
}

async function pair(
  frameOf: ReadonlyMap<string, ScannedFrame>,
  evidence: Evidence,
  a: string,
  b: string,
  caption: string,
): Promise<string> {
  const frames = [a, b].flatMap((name) => frameOf.get(name) ?? []);
  const pictures = await Promise.all(frames.map((frame) => picture(frame, evidence)));
  const names = [a, b].map((name) => `<span class="file">${escapeHtml(name)}</span>`).join(" · ");
  return `<figure class="pair">${pictures.join("")}<figcaption>${escapeHtml(caption)}<br>${names}</figcaption></figure>`;
}

/** A small JPEG inside the page, with the frame's boxes, or its text areas, drawn over it. */
async function picture(
  { imagePath, boxes }: ScannedFrame,
  { scan }: Evidence,
  text?: { width: number; height: number; textAreas: readonly (readonly number[])[] },
): Promise<string> {
  let jpeg: Buffer;
  try {
    jpeg = await sharp(imagePath).rotate().resize({ width }).flatten().jpeg({ quality: 70 }).toBuffer();
  } catch {
    return '<div class="picture">unreadable</div>';
  }
  const areas = text
    ? text.textAreas.map(([x, y, w, h]) =>
        rectangle([x / text.width, y / text.height, w / text.width, h / text.height], "#ffd400"),
      )
    : boxes.map(({ class: label, cx, cy, w, h }) =>
        rectangle([cx - w / 2, cy - h / 2, w, h], colourOf(label), scan.description.names[label]),
      );
  return (
    `<div class="picture"><img alt="" src="data:image/jpeg;base64,${jpeg.toString("base64")}">` +
    `<svg viewBox="0 0 1 1" preserveAspectRatio="none">${areas.join("")}</svg></div>`
  );
}

function rectangle(sides: readonly number[], colour: string, title = ""): string {
  const [x, y, w, h] = sides.map((side) => Number(side.toFixed(4)));
  return (
    `<rect x="${x}" y="${y}" width="${w}" height="${h}" fill="none" stroke="${colour}" stroke-width="2" ` +
    `vector-effect="non-scaling-stroke"><title>${escapeHtml(title)}</title></rect>`
  );
}
