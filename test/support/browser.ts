import { accessSync, constants, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { delimiter, join } from "node:path";
import { pathToFileURL } from "node:url";
import type { AxeResults, Result } from "axe-core";
import puppeteer, { type Browser, type HTTPRequest, type Page } from "puppeteer-core";

/** Programs on the PATH, then where macOS has them. */
const usualPlaces = [
  ...(process.env["PATH"] ?? "")
    .split(delimiter)
    .flatMap((folder) =>
      ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"].map((name) =>
        join(folder, name),
      ),
    ),
  "/Applications/Chromium.app/Contents/MacOS/Chromium",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];

/** The checks of axe that follow WCAG 2.0 to 2.2, levels A and AA. */
const rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];
const axeFile = createRequire(import.meta.url).resolve("axe-core/axe.min.js");

/** Width and height of a window in CSS pixels. */
export interface WindowSize {
  readonly width: number;
  readonly height: number;
}

/** A narrow phone and a laptop. */
export const windows = {
  phone: { width: 375, height: 740 },
  laptop: { width: 1280, height: 800 },
} as const satisfies Record<string, WindowSize>;

/** How a page is opened. */
export interface OpenOptions {
  readonly window?: WindowSize;
  /** Whether the page's own scripts run; by default they do. */
  readonly scripts?: boolean;
  /** What the reader's system asks for; by default light. */
  readonly scheme?: "light" | "dark";
}

/** A page in a browser without a network. */
export interface OpenPage {
  readonly page: Page;
  /** What went wrong so far: errors of the console and of scripts, dialogs, and what the page tried to load. */
  readonly troubles: readonly string[];
}

/**
 * The browser that tests use: what `ECHODUET_CHROMIUM` names, or else the first of the usual places that has one.
 * Where there is none it says so, since the tests that need it are skipped.
 * @returns the program's path, or null
 */
export function findChromium(): string | null {
  const { ECHODUET_CHROMIUM: named } = process.env;
  const found = (named ? [named] : usualPlaces).find(isProgram) ?? null;
  if (found === null) {
    const where = named
      ? `at ${named} (ECHODUET_CHROMIUM)`
      : "on the PATH; ECHODUET_CHROMIUM names another one";
    console.warn(`skipped: no Chromium ${where}`);
  }
  return found;
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Starts the browser without a window and without names of hosts. */
export function launch(executablePath: string): Promise<Browser> {
  return puppeteer.launch({
    executablePath,
    // Containers and root lack what the sandbox needs. All pages are our own, and none has a network.
    args: ["--no-sandbox", "--host-resolver-rules=MAP * ~NOTFOUND"],
  });
}

/** Opens the file at `path` in a tab of its own, offline; every request but that for the file itself is refused. */
export async function openPage(
  browser: Browser,
  path: string,
  { window = windows.laptop, scripts = true, scheme = "light" }: OpenOptions = {},
): Promise<OpenPage> {
  const page = await browser.newPage();
  const troubles: string[] = [];
  const url = pathToFileURL(path).href;
  page.on("console", (message) => {
    if (message.type() === "error") troubles.push(`console: ${message.text()}`);
  });
  page.on("pageerror", (error) => troubles.push(`script: ${error}`));
  page.on("dialog", (dialog) => {
    troubles.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on("request", (request: HTTPRequest) => {
    const isOwn = request.url() === url || /^(data|blob):/.test(request.url());
    if (!isOwn) troubles.push(`request: ${request.url()}`);
    void (isOwn ? request.continue() : request.abort());
  });
  await page.setRequestInterception(true);
  await page.setOfflineMode(true);
  await page.setJavaScriptEnabled(scripts);
  await page.setViewport(window);
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
  await page.goto(url);
  return { page, troubles };
}

/** Whether the page's style sheets have a part for readers who ask for dark pages. */
export async function hasDarkScheme(page: Page): Promise<boolean> {
  return (await page.evaluate(`[...document.querySelectorAll("style")].some(({ textContent }) =>
    /prefers-color-scheme:\\s*dark/.test(textContent))`)) as boolean;
}

/**
 * What axe finds against WCAG 2, levels A and AA, everything that can be unfolded being open.
 * @returns a text for each rule that is broken: what is wrong, and each element with how to mend it
 */
export async function accessibilityViolations(page: Page): Promise<string[]> {
  await page.evaluate(`for (const each of document.querySelectorAll("details")) each.open = true`);
  // As the developer tools would: a page may forbid scripts, its own and others.
  await page.evaluate(readFileSync(axeFile, "utf8"));
  const run = `axe.run(document, ${JSON.stringify({ runOnly: rules, resultTypes: ["violations"] })})`;
  const { violations } = (await page.evaluate(run)) as AxeResults;
  return violations.map(violationText);
}

function violationText({ id, help, nodes }: Result): string {
  const places = nodes.map(({ target, html, failureSummary }) =>
    [`  ${target.join(" ")}: ${html.slice(0, 160)}`, ...(failureSummary ?? "").split("\n").slice(1)].join(
      "\n    ",
    ),
  );
  return [`${id}: ${help}`, ...places].join("\n");
}

/**
 * What makes a page wider than its window: the outermost elements, and texts, that reach beyond it and lie in nothing
 * that scrolls by itself; none where the page does not scroll sideways.
 */
export async function sidewaysOverflow(page: Page): Promise<string[]> {
  return (await page.evaluate(`(() => {
    const { scrollWidth, clientWidth } = document.documentElement;
    if (scrollWidth <= clientWidth) return [];
    const found = ["page: " + scrollWidth + " px"];
    const visit = (node) => {
      const range = document.createRange();
      range.selectNodeContents(node);
      const isElement = node.nodeType === Node.ELEMENT_NODE;
      const right = (isElement ? node : range).getBoundingClientRect().right;
      if (right > clientWidth + 0.5) {
        found.push((isElement ? node.outerHTML : node.textContent).slice(0, 120) + ": to " + Math.round(right) + " px");
      } else if (isElement && getComputedStyle(node).overflowX === "visible") node.childNodes.forEach(visit);
    };
    document.body.childNodes.forEach(visit);
    return found;
  })()`)) as string[];
}

/**
 * The texts of the page's tables as they are shown, a line for each row; one that is not shown has none. What is folded
 * is opened before, as a reader can without scripts.
 */
export async function shownTables(page: Page): Promise<string[]> {
  await page.evaluate(`for (const each of document.querySelectorAll("details")) each.open = true`);
  return (await page.evaluate(
    `[...document.querySelectorAll("table")].map((table) => table.checkVisibility() ? table.innerText : "")`,
  )) as string[];
}
