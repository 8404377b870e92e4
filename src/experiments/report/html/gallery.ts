import type { Gallery, Picture, PictureBox } from "../document.js";
import type { Texts } from "../messages/index.js";
import type { SourceIndex } from "../source-index.js";
import { plainText } from "../values.js";
import { escapeHtml, lineHtml } from "./cells.js";
import { sourceLine } from "./table.js";

/** Pictures with truth in green, solid, and predictions in red, dashed; all of it in words as well. */
export function galleryHtml({ title, pictures }: Gallery, sources: SourceIndex, texts: Texts): string {
  const figures = pictures.map((picture) => pictureHtml(picture, sources, texts));
  return `<h3>${lineHtml(title, sources)}</h3><div class="gallery">${figures.join("\n")}</div>`;
}

function pictureHtml(picture: Picture, sources: SourceIndex, texts: Texts): string {
  const { width, height, jpeg, boxes, caption } = picture;
  const words = escapeHtml(caption.map(plainText).join("; "));
  const [head, ...rest] = caption.map((line) => lineHtml(line, sources));
  const source = sourceLine([sources.ofCheckpoints(picture.from)], texts);
  // Truth below, so that no prediction is hidden by it.
  const drawn = [...boxes].sort((a, b) => Number(b.isTruth) - Number(a.isTruth));
  return `<figure class="picture"><div class="frame"><img alt="${words}" width="${width}" height="${height}" src="data:image/jpeg;base64,${jpeg}"><svg aria-hidden="true" viewBox="0 0 ${width} ${height}">${drawn.map((box) => boxSvg(box, picture)).join("")}</svg></div><figcaption><b>${head}</b>${rest.map((line) => `<br>${line}`).join("")}<br><span class="source">${source}</span></figcaption></figure>`;
}

function boxSvg({ isTruth, box, label }: PictureBox, { width, height }: Picture): string {
  const [x1, y1, x2, y2] = box.map(round);
  const [line, font] = [Math.max(1, width / 160), Math.max(8, width / 24)];
  const colour = isTruth ? "#1ec83c" : "#ff3b3b";
  const dash = isTruth ? "" : ` stroke-dasharray="${round(3 * line)} ${round(2 * line)}"`;
  const text = plainText(label);
  const plate = 0.62 * font * text.length + 0.4 * font;
  const left = Math.max(0, Math.min(x1, width - plate));
  // Predictions are named above their box and the truth below, so that neither hides the other.
  const wanted = isTruth ? y2 : y1 - 1.3 * font;
  const top = Math.max(0, Math.min(wanted, height - 1.3 * font));
  return (
    `<rect x="${x1}" y="${y1}" width="${round(x2 - x1)}" height="${round(y2 - y1)}" fill="none" stroke="#000" stroke-opacity=".6" stroke-width="${round(2 * line)}"/>` +
    `<rect x="${x1}" y="${y1}" width="${round(x2 - x1)}" height="${round(y2 - y1)}" fill="none" stroke="${colour}" stroke-width="${round(line)}"${dash}/>` +
    `<rect x="${round(left)}" y="${round(top)}" width="${round(plate)}" height="${round(1.3 * font)}" fill="${isTruth ? "#0b5d1e" : "#8f0f0f"}"/>` +
    `<text x="${round(left + 0.2 * font)}" y="${round(top + font)}" font-size="${round(font)}" fill="#fff">${escapeHtml(text)}</text>`
  );
}

const round = (value: number): number => Math.round(value * 10) / 10;
