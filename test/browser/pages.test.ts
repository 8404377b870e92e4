import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Browser, Page } from "puppeteer-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { FAULT_KINDS, type FaultKind, simulate } from "../../src/data/simulate/index.js";
import type { DrawnCurves } from "../../src/experiments/index.js";
import {
  accessibilityViolations,
  findChromium,
  hasDarkScheme,
  launch,
  type OpenPage,
  openPage,
  shownTables,
  sidewaysOverflow,
  windows,
} from "../support/browser.js";
import { jsonOf, runCli, succeed, temporaryFolder, words } from "../support/cli.js";
import { reportSubjects, writeReportSubjects } from "../support/report-subjects.js";
import { writeHistory } from "../support/training-history.js";

/** A page that the program writes. */
interface Subject {
  readonly name: string;
  /** Makes the page in an empty folder; returns its path. */
  readonly make: (folder: string) => Promise<string>;
  /** A word of its tables, which have to be there without scripts. */
  readonly tableText: string;
  /** What else holds for it, in any window. */
  readonly check?: (page: Page) => Promise<void>;
}

const pages: readonly Subject[] = [
  { name: "audit --html", make: makeAudit, tableText: "frames PSAX" },
  { name: "curves", make: makeCurves, tableText: "heart/data.yaml", check: checkCurves },
  { name: "report RUN", make: makeReport("run", "en"), tableText: "mAP@.5", check: checkReport },
  {
    name: "report SWEEP --lang zh-TW",
    make: makeReport("sweep", "zh-TW"),
    tableText: "mAP@.5",
    check: checkReport,
  },
];

/** No place to break a line: what a narrow window has to bear. */
const longName = "heart".repeat(14);

/** An audit of data with every fault that a frame, a clip or a patient can have. */
async function makeAudit(folder: string): Promise<string> {
  const kinds = (Object.keys(FAULT_KINDS) as FaultKind[]).filter((kind) => !kind.startsWith("shift"));
  const faults = Object.fromEntries(kinds.map((kind) => [kind, 1])) as Record<FaultKind, number>;
  const data = join(folder, longName);
  await simulate({
    out: data,
    patients: 10,
    framesPerClip: 3,
    seed: 7,
    faults,
    size: { width: 160, height: 120 },
  });
  const page = join(folder, "audit.html");
  const { stderr } = await runCli(words`audit ${join(data, "data.yaml")} --html ${page}`);
  expect(stderr).toBe("");
  return page;
}

/** Two runs with everything that is drawn, and names that would run as scripts where they are taken for markup. */
async function makeCurves(folder: string): Promise<string> {
  const suffix = ' <img src=x onerror=alert("markup")>';
  const runs = ["static", longName].map((name, seed) =>
    writeHistory(join(folder, name), {
      seed,
      steps: 40,
      stepsPerEpoch: 10,
      balance: true,
      probeEvery: 10,
      suffix,
    }),
  );
  return (await jsonOf<DrawnCurves>(["curves", ...runs, "--out", join(folder, "out")])).page;
}

/** Every chart is drawn, and a name of the legend hides its line and shows it again, by the keyboard too. */
async function checkCurves(page: Page): Promise<void> {
  const charts = "document.querySelectorAll('.chart').length";
  expect(await page.evaluate(charts)).toBeGreaterThan(10);
  expect(await page.evaluate("document.querySelectorAll('.chart svg').length")).toBe(
    await page.evaluate(charts),
  );
  const lines = () => page.evaluate("document.querySelectorAll('#losses .chart path').length");
  const whole = Number(await lines());
  const button = (await page.$("#losses .legend button"))!;
  await button.click();
  expect(await lines()).toBeLessThan(whole);
  await button.focus();
  await page.keyboard.press("Enter");
  expect(await lines()).toBe(whole);
}

function makeReport(subject: "run" | "sweep", language: string): Subject["make"] {
  return async (folder) => {
    await writeReportSubjects(folder);
    const page = join(folder, "report.html");
    await succeed(
      words`report ${reportSubjects(folder)[subject]} --lang ${language} --out ${page} --threads 1 --resamples 100`,
    );
    return page;
  };
}

/** A column sorts, and a picture enlarges and closes by the keyboard. */
async function checkReport(page: Page): Promise<void> {
  await page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true");
  const sorter = (await page.$("th button"))!;
  await sorter.click();
  expect(await page.$("th[aria-sort]")).not.toBeNull();
  const isOpen = () => page.evaluate("document.querySelector('dialog')?.open ?? false");
  const picture = (await page.$(".picture button"))!;
  await picture.click();
  expect(await isOpen()).toBe(true);
  await page.keyboard.press("Escape");
  expect(await isOpen()).toBe(false);
}

const chromium = findChromium();

describe.skipIf(chromium === null).each(pages)("the page of $name", ({ name, make, tableText, check }) => {
  let remove: () => void;
  let path: string;
  let browser: Browser;

  // Here, since a folder made outside would be left where all tests are skipped.
  beforeAll(async () => {
    const temporary = temporaryFolder(`browser-${name.replace(/\W+/g, "-")}`);
    remove = temporary.remove;
    [path, browser] = await Promise.all([make(temporary.folder), launch(chromium!)]);
  }, 300_000);
  afterAll(async () => {
    await browser?.close();
    remove();
  });

  describe.each(Object.entries(windows))("on a %s", (_, window) => {
    let open: OpenPage;
    beforeAll(async () => {
      open = await openPage(browser, path, { window });
    });

    it("needs no network, raises no error and does what it offers", async () => {
      await check?.(open.page);
      expect(open.troubles).toEqual([]);
    });

    it("does not scroll sideways", async () => {
      expect(await sidewaysOverflow(open.page)).toEqual([]);
    });

    it("breaks no rule of WCAG 2, A and AA, in light and, if it has them, in dark colours", async () => {
      expect((await accessibilityViolations(open.page)).join("\n\n")).toBe("");
      if (!(await hasDarkScheme(open.page))) return;
      const dark = await openPage(browser, path, { window, scheme: "dark" });
      expect((await accessibilityViolations(dark.page)).join("\n\n")).toBe("");
    });
  });

  it("shows its tables without scripts", async () => {
    const { page, troubles } = await openPage(browser, path, { scripts: false });
    const tables = await shownTables(page);
    expect(tables.length).toBeGreaterThan(0);
    for (const table of tables) expect(table.trim()).not.toBe("");
    expect(tables.join("\n")).toContain(tableText);
    expect(troubles).toEqual([]);
  });
});

describe.skipIf(chromium === null)("the checks of a page", () => {
  it("find what is wrong with a bad one", async () => {
    const { folder, remove } = temporaryFolder("browser-checks");
    const path = join(folder, "bad.html");
    writeFileSync(
      path,
      `<title>Bad</title><img src="https://example.org/x.png"><div style="width:900px">wide</div>
       <script>console.error("broken"); nowhere();</script>`,
    );
    const browser = await launch(chromium!);
    try {
      const { page, troubles } = await openPage(browser, path, { window: windows.phone });
      expect(troubles).toEqual(
        expect.arrayContaining(["request: https://example.org/x.png", "console: broken"]),
      );
      expect(troubles.join()).toMatch(/script: ReferenceError: nowhere is not defined/);
      expect((await accessibilityViolations(page)).map((text) => text.split(":")[0])).toEqual(
        expect.arrayContaining(["html-has-lang", "image-alt"]),
      );
      expect((await sidewaysOverflow(page)).join()).toMatch(/page: \d+ px,<div style="width:900px">/);
      expect(await hasDarkScheme(page)).toBe(false);
    } finally {
      await browser.close();
      remove();
    }
  });
});
