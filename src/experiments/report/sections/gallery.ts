import sharp from "sharp";
import { EchoDuetError } from "../../../errors.js";
import { IOU_THRESHOLDS } from "../../../detection/index.js";
import { joined, type SectionContext } from "../context.js";
import type { Gallery, Line, Picture, PictureBox, Section } from "../document.js";
import { galleries, type RankedFrame, rankFrames } from "../ranking.js";
import { measured, name } from "../values.js";
import { detailLine } from "./details.js";

/** Pictures of each kind: the page has to be mailed and printed. */
const mostPictures = 6;
const pictureWidth = 360;
/** Predicted boxes of one picture, the most confident first: a model that has learnt little finds hundreds. */
const mostBoxes = 12;

/** Frames with labels and predictions: the best, the worst, the most confident errors. */
export async function gallerySection(context: SectionContext): Promise<Section> {
  const { facts, texts, images } = context;
  const { say } = texts;
  const place = { id: "galleries", title: say("gallery.title") };
  if (!images) return { ...place, blocks: [{ kind: "text", lines: [say("gallery.none")] }] };
  const confidence = facts.detection?.confidence ?? null;
  const kinds = galleries(rankFrames(facts.predicted.frames, confidence), mostPictures);
  const drawn: Gallery[] = [];
  for (const kind of ["best", "worst", "confident"] as const) {
    if (kinds[kind].length === 0) continue;
    const pictures = await Promise.all(kinds[kind].map((each) => picture(context, each, confidence)));
    drawn.push({ kind: "gallery", title: say(`gallery.${kind}`), pictures });
  }
  const lead = [detailLine(context), say("gallery.lead")];
  return {
    ...place,
    blocks: [{ kind: "text", lines: lead }, { kind: "note", lines: [say("gallery.private")] }, ...drawn],
  };
}

async function picture(
  context: SectionContext,
  ranked: RankedFrame,
  confidence: number | null,
): Promise<Picture> {
  const { frame, from } = ranked;
  const { say } = context.texts;
  const { jpeg, width, height } = await jpegOf(frame.imagePath);
  const all = boxesOf(context, ranked, confidence);
  const found = all.filter(({ isTruth }) => !isTruth);
  const boxes = [...all.filter(({ isTruth }) => isTruth), ...found.slice(0, mostBoxes)];
  const labels = (isTruth: boolean): Line => {
    const own = boxes.filter((box) => box.isTruth === isTruth).map(({ label }) => label);
    return own.length === 0 ? say("gallery.noBox") : joined(own, context.texts.comma);
  };
  const left = found.length - mostBoxes;
  const more = left > 0 ? say("gallery.moreBoxes", { count: measured(left, "integer", [from]) }) : [];
  const detects = context.facts.predicted.names.length > 0;
  return {
    ...{ width, height, jpeg, boxes },
    caption: [
      name(frame.name),
      ...(detects
        ? [
            say("gallery.truth", { boxes: labels(true) }),
            say("gallery.predicted", { boxes: [...labels(false), ...more] }),
          ]
        : []),
      ...viewLine(context, ranked),
    ],
    from: [from],
  };
}

/** Truth, and predictions of at least the confidence; a wrong one says so. */
function boxesOf(
  { facts, texts: { say } }: SectionContext,
  { boxes, prediction, from }: RankedFrame,
  confidence: number | null,
): PictureBox[] {
  const { names } = facts.predicted;
  if (boxes === null || confidence === null) return [];
  const truth = boxes.labels.map(
    ({ box, classIndex }): PictureBox => ({
      isTruth: true,
      box: [...box],
      label: name(names[classIndex]),
    }),
  );
  const found = boxes.detections.flatMap((each, i): PictureBox[] => {
    if (each.confidence < confidence) return [];
    const isHit = prediction.detection?.tp[i * IOU_THRESHOLDS.length] === 1;
    const label = { name: name(names[each.classIndex]), value: measured(each.confidence, "fixed2", [from]) };
    return [
      {
        isTruth: false,
        box: [...each.box],
        label: isHit ? say("gallery.hit", label) : say("gallery.miss", label),
      },
    ];
  });
  return [...truth, ...found];
}

function viewLine({ facts, texts: { say } }: SectionContext, { view, frame, from }: RankedFrame): Line[] {
  const { views } = facts.predicted;
  if (view === null) return [];
  const predicted = {
    view: name(views[view.index]),
    probability: measured(view.probability, "fixed2", [from]),
  };
  if (frame.view < 0) return [say("gallery.view", predicted)];
  const isRight = view.index === frame.view;
  return [
    say(isRight ? "gallery.viewRight" : "gallery.viewWrong", {
      ...predicted,
      truth: name(views[frame.view]),
    }),
  ];
}

async function jpegOf(path: string): Promise<Pick<Picture, "jpeg" | "width" | "height">> {
  try {
    const source = sharp(path).rotate();
    const { width, height, autoOrient } = await sharp(path).metadata();
    const jpeg = await source
      .resize({ width: pictureWidth, withoutEnlargement: true })
      .flatten()
      .jpeg({ quality: 72 })
      .toBuffer();
    return {
      jpeg: jpeg.toString("base64"),
      width: autoOrient?.width ?? width,
      height: autoOrient?.height ?? height,
    };
  } catch (cause) {
    throw new EchoDuetError(
      "data",
      `${path}: expected an image, got ${cause instanceof Error ? cause.message : String(cause)}; restore it, or leave pictures out with --no-images`,
      { cause },
    );
  }
}
