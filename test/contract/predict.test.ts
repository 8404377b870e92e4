import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { EchoDuetError } from "../../src/errors.js";
import { listSources, PictureFolder } from "../../src/serving/index.js";
import { temporaryFolder } from "../support/cli.js";

const { folder, remove } = temporaryFolder("predict");
afterAll(remove);

/** A folder of files of these names, each holding its own name. */
function folderOf(name: string, ...files: string[]): string {
  const made = join(folder, name);
  mkdirSync(made);
  for (const file of files) {
    mkdirSync(join(made, file, ".."), { recursive: true });
    writeFileSync(join(made, file), file);
  }
  return made;
}

describe("listSources", () => {
  const images = folderOf(
    "images",
    "b.jpg",
    "a.PNG",
    "c.txt",
    "10.webp",
    "9.tiff",
    "deep/d.jpg",
    "e.jpg.part",
  );

  it("takes a file as it is, whatever its name", async () => {
    expect(await listSources(join(images, "c.txt"))).toEqual([join(images, "c.txt")]);
  });

  it("takes the images of a folder, sorted, without those of its subfolders", async () => {
    const names = ["10.webp", "9.tiff", "a.PNG", "b.jpg"];
    expect(await listSources(images)).toEqual(names.map((name) => join(images, name)));
    expect(await listSources(`${images}/`)).toEqual(names.map((name) => join(images, name)));
  });

  it("takes the images that match a glob, sorted", async () => {
    expect(await listSources(`${images}/**/*.jpg`)).toEqual([
      join(images, "b.jpg"),
      join(images, "deep/d.jpg"),
    ]);
    expect(await listSources(`${images}/{a,c,9}.*`)).toEqual([join(images, "9.tiff"), join(images, "a.PNG")]);
  });

  it("keeps a relative path relative", async () => {
    const here = relative(process.cwd(), images);
    expect(await listSources(`${here}/*.jpg`)).toEqual([join(here, "b.jpg")]);
    expect(await listSources(here)).toContain(join(here, "b.jpg"));
  });

  it("takes a name with the characters of a glob as a name where there is such a file", async () => {
    const odd = folderOf("odd", "frame [1].png");
    expect(await listSources(join(odd, "frame [1].png"))).toEqual([join(odd, "frame [1].png")]);
    const bracketed = folderOf("set (2)", "x.png");
    expect(await listSources(bracketed)).toEqual([join(bracketed, "x.png")]);
  });

  it("refuses what is not there, and what holds no image", async () => {
    const refusal = async (source: string) => {
      const error = await listSources(source).catch((caught: unknown) => caught);
      expect(error).toBeInstanceOf(EchoDuetError);
      return [(error as EchoDuetError).code, (error as Error).message];
    };
    const gone = join(folder, "gone");
    expect(await refusal(gone)).toEqual([
      "io",
      `${gone}: expected an image, a folder or a glob, found nothing there`,
    ]);
    const none = folderOf("none", "labels.txt");
    for (const source of [none, `${none}/*`, `${images}/*.gif`]) {
      expect(await refusal(source)).toEqual([
        "data",
        `${source}: expected images (.jpg, .jpeg, .png, .webp, .tif, .tiff), found none`,
      ]);
    }
  });
});

describe("PictureFolder", () => {
  const bytes = (text: string) => new TextEncoder().encode(text);

  it("makes the folder and numbers pictures of the same stem, so that none is lost", () => {
    const out = join(folder, "made", "pictures");
    const pictures = new PictureFolder(out);
    const sources = ["x/a.jpg", "y/a.jpg", "a.png", "x/a-2.jpg", "b", "deep/b.tar.png"];
    const written = sources.map((source) => pictures.write(source, bytes(source)));
    expect(written).toEqual(
      ["a.png", "a-2.png", "a-3.png", "a-2-2.png", "b.png", "b.tar.png"].map((name) => join(out, name)),
    );
    expect(written.map((path) => readFileSync(path, "utf8"))).toEqual(sources);
    expect(readdirSync(out)).toHaveLength(sources.length);
  });

  it("replaces the pictures of an earlier run", () => {
    const out = join(folder, "again");
    new PictureFolder(out).write("a.jpg", bytes("old"));
    const path = new PictureFolder(out).write("a.jpg", bytes("new"));
    expect(readFileSync(path, "utf8")).toBe("new");
    expect(readdirSync(out)).toEqual(["a.png"]);
  });

  it("says where a folder cannot be made", () => {
    const file = join(folder, "file");
    writeFileSync(file, "");
    const below = join(file, "pictures");
    expect(() => new PictureFolder(below)).toThrow(
      expect.objectContaining({
        code: "io",
        message: expect.stringContaining(`${below}: cannot be created`),
      }),
    );
    expect(existsSync(below)).toBe(false);
  });
});
