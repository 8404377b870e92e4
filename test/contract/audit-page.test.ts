import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runAudit } from "../../src/data/audit/index.js";
import { auditPage } from "../../src/data/audit/page/index.js";
import { temporaryFolder } from "../support/cli.js";

const { folder, remove } = temporaryFolder("audit-page");
afterAll(remove);

const evil = '<script>alert("x")</script>';
const attribute = `" onload="alert(1)`;

describe("auditPage", () => {
  let page: string;

  beforeAll(async () => {
    // A slash ends a file name, so the closing tag is left to the class and the id.
    const image = `p1<img src=x onerror=alert(1)>'${attribute}`;
    for (const split of ["train", "val"]) {
      mkdirSync(join(folder, split, "images"), { recursive: true });
      mkdirSync(join(folder, split, "labels"), { recursive: true });
      const jpeg = sharp({ create: { width: 64, height: 48, channels: 3, background: "#456" } }).jpeg();
      for (const [name, view] of [
        [image, "1 0"],
        ["p1other", "0 1"],
      ]) {
        writeFileSync(join(folder, split, "images", `${name}.jpg`), await jpeg.toBuffer());
        writeFileSync(
          join(folder, split, "labels", `${name}.txt`),
          `0 0.5 0.5 0.2 0.2\n<b>bold</b> line\n${view}\n`,
        );
      }
    }
    const yaml = {
      train: "train/images",
      val: "val/images",
      names: [evil, attribute],
      views: [evil, "&lt;"],
      rules: { [evil]: [attribute] },
      groups: { patient: "^(p\\d)", video: "^(p\\d)" },
    };
    writeFileSync(join(folder, "data.yaml"), JSON.stringify(yaml));
    page = await auditPage(await runAudit(join(folder, "data.yaml"), { images: false }));
  });

  it("shows names, files and messages as text, in charts and tables alike", () => {
    expect(page).not.toMatch(/<script|<img src=x|<b>bold|" onload=/);
    expect(page).toContain("&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;");
    expect(page).toContain("&lt;b&gt;bold&lt;/b&gt; line");
    expect(page).toContain("p1&lt;img src=x onerror=alert(1)&gt;&#39;&quot; onload=&quot;alert(1)");
    expect(page).toContain("&amp;lt;");
  });

  it("is whole: every element that it opens is closed, in order", () => {
    const empty = ["meta", "img", "br"];
    const open: string[] = [];
    for (const [tag, slash, name] of page.matchAll(/<(\/?)([a-zA-Z!][a-zA-Z0-9]*)(?:"[^"]*"|[^">])*>/g)) {
      const lower = name.toLowerCase();
      if (lower.startsWith("!") || empty.includes(lower) || tag.endsWith("/>")) continue;
      if (slash === "") open.push(lower);
      else expect(open.pop(), tag).toBe(lower);
    }
    expect(open).toEqual([]);
  });

  it("holds every finding with its remedy, charts that render, and small pictures", async () => {
    const { report } = await runAudit(join(folder, "data.yaml"), { images: false });
    for (const { code } of report.findings) expect(page).toContain(`<code>${code}</code>`);
    const charts = page.match(/<svg width="\d+" height="\d+" xmlns[\s\S]*?<\/svg>/g) ?? [];
    expect(charts.length).toBeGreaterThanOrEqual(5);
    for (const chart of charts) {
      const { width } = await sharp(Buffer.from(chart)).metadata();
      expect(width).toBeGreaterThan(100);
    }
    const jpegs = [...page.matchAll(/data:image\/jpeg;base64,([A-Za-z0-9+/=]+)/g)];
    expect(jpegs.length).toBeGreaterThan(0);
    expect((await sharp(Buffer.from(jpegs[0][1], "base64")).metadata()).width).toBe(260);
  });

  it("says that nothing was found in sound data", async () => {
    const sound = join(folder, "sound.yaml");
    mkdirSync(join(folder, "sound"));
    writeFileSync(join(folder, "sound", "p2v1.jpg"), "");
    writeFileSync(join(folder, "sound", "p2v1.txt"), "0 0.5 0.5 0.2 0.2\n");
    writeFileSync(
      sound,
      JSON.stringify({ train: "sound", names: ["AR"], groups: { patient: "^(p\\d)", video: "^(p\\dv\\d)" } }),
    );
    const quiet = await auditPage(await runAudit(sound, { images: false }));
    expect(quiet).toContain("Nothing found.");
  });
});
