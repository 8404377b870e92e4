import { writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { decodeImage } from "../../src/data/index.js";
import { EchoDuetError } from "../../src/errors.js";
import { temporaryFolder } from "../support/cli.js";
import { mutated, realFiles, runs, settleAsync } from "../support/fuzz.js";

const { folder, remove } = temporaryFolder("fuzz-images");
afterAll(remove);

const sources: Buffer[] = realFiles("images", 6);
beforeAll(async () => {
  const data = Uint8Array.from({ length: 40 * 30 * 3 }, (_, i) => (i * 7919) % 251);
  const picture = () => sharp(data, { raw: { width: 40, height: 30, channels: 3 } });
  sources.push(
    await picture().jpeg().toBuffer(),
    await picture().jpeg({ progressive: true }).withMetadata({ orientation: 6 }).toBuffer(),
    await picture().png().toBuffer(),
    await picture().png({ palette: true }).toBuffer(),
    await picture().webp({ lossless: true }).toBuffer(),
    await picture().webp({ quality: 50 }).toBuffer(),
    await picture().tiff({ compression: "lzw" }).toBuffer(),
    await picture().tiff({ compression: "none" }).toBuffer(),
  );
});

/** Decodes the bytes under a name; an image of its own size, or an EchoDuetError that names the file. */
async function check(bytes: Uint8Array, extension: string): Promise<void> {
  const path = join(folder, `image.${extension}`);
  writeFileSync(path, bytes);
  const image = await settleAsync(() => decodeImage(path));
  if (image instanceof EchoDuetError) {
    expect([image.code, image.message.startsWith(`${path}: expected a`)]).toEqual(["data", true]);
    expect(image.message.length).toBeLessThan(1000);
  } else {
    expect(image.data.length).toBe(image.width * image.height * 3);
  }
}

const extension = fc.constantFrom("jpg", "png", "webp", "tiff");

describe("images", () => {
  it("that are mutated are decoded or refused", async () => {
    await fc.assert(fc.asyncProperty(mutated(sources), extension, check), runs(150, 2500));
  });

  it("of any bytes are decoded or refused", async () => {
    const headers = [
      "\xff\xd8\xff\xe0",
      "\x89PNG\r\n\x1a\n",
      "RIFF\0\0\0\0WEBPVP8 ",
      "II*\0",
      "MM\0*",
      "GIF89a",
      "<svg>",
      "BM",
      "",
    ];
    const bytes = fc
      .tuple(fc.constantFrom(...headers), fc.uint8Array({ maxLength: 400 }))
      .map(([head, tail]) => Buffer.concat([Buffer.from(head, "latin1"), tail]));
    await fc.assert(fc.asyncProperty(bytes, extension, check), runs(60, 700));
  });

  it.each<[string, () => Promise<Uint8Array> | Uint8Array]>([
    ["no bytes", () => new Uint8Array(0)],
    ["a PNG that says it has 4e9 x 4e9 pixels", () => pngOfSize(0xffffffff, 0xffffffff)],
    ["a PNG that says it has 16,000 x 16,000 pixels", () => pngOfSize(16_000, 16_000)],
    [
      "a vector graphic that reads another file",
      () =>
        Buffer.from(
          `<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><image href="file:///etc/passwd" width="9" height="9"/></svg>`,
        ),
    ],
    ["a PDF", () => Buffer.from("%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\n%%EOF")],
  ])("of %s are decoded or refused", async (_, bytes) => {
    await check(await bytes(), "png");
  });
});

/** A PNG's header for a size, with no pixels after it. */
function pngOfSize(width: number, height: number): Buffer {
  const header = Buffer.alloc(17);
  header.write("IHDR", 0, "latin1");
  header.writeUInt32BE(width, 4);
  header.writeUInt32BE(height, 8);
  header.set([8, 2, 0, 0, 0], 12);
  const chunk = Buffer.alloc(8 + header.length);
  chunk.writeUInt32BE(13, 0);
  chunk.set(header, 4);
  chunk.writeInt32BE(crc32(header), 4 + header.length);
  return Buffer.concat([Buffer.from("\x89PNG\r\n\x1a\n", "latin1"), chunk]);
}

function crc32(bytes: Uint8Array): number {
  let crc = -1;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc;
}
