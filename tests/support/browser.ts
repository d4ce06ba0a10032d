/** A headless Chromium for tests of pages. */

import type { Browser, Page } from "playwright-core";
import { missingPermissions } from "./permissions.ts";

const PLACES = [
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
  "/Applications/Chromium.app/Contents/MacOS/Chromium",
  "C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe",
];

const permitted = !missingPermissions("run", "read", "write", "env", "sys", "net");
const path = permitted ? PLACES.find(isFile) : undefined;

function isFile(place: string): boolean {
  try {
    return Deno.statSync(place).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** A page that remembers what went wrong in it. */
export interface WatchedPage {
  readonly page: Page;
  /** Errors and warnings of the console, and exceptions. */
  readonly complaints: readonly string[];
}

/** Opens the file of a page in a new window. */
export async function openPage(
  browser: Browser,
  url: string,
  options: { readonly width?: number; readonly height?: number; readonly dark?: boolean } = {},
): Promise<WatchedPage> {
  const { width = 1280, height = 900, dark = false } = options;
  const page = await browser.newPage({
    viewport: { width, height },
    colorScheme: dark ? "dark" : "light",
  });
  const complaints: string[] = [];
  page.on("console", (message) => {
    // The driver reads pixels back for screenshots, and says that this is slow.
    if (/GPU stall due to ReadPixels/.test(message.text())) return;
    if (["error", "warning"].includes(message.type())) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error.stack)));
  page.on("request", (request) => {
    if (!/^(file|data|blob):/.test(request.url())) complaints.push(`asked for ${request.url()}`);
  });
  await page.goto(url);
  return { page, complaints };
}

/** A test in a browser; ignored, and saying why, where there is none. */
export function browserTest(name: string, test: (browser: Browser) => Promise<void>): void {
  const why = permitted ? "there is no Chromium: apt-get install chromium" : "it may not start one";
  Deno.test({
    name: path === undefined ? `${name} (ignored: ${why})` : name,
    ignore: path === undefined,
    // The driver's pipes and timers are its own.
    sanitizeOps: false,
    sanitizeResources: false,
    async fn() {
      // Not above: it reads the environment as soon as it is loaded.
      const { chromium } = await import("playwright-core");
      const browser = await chromium.launch({
        executablePath: path,
        args: [
          "--no-sandbox",
          "--enable-unsafe-swiftshader",
          "--disable-background-networking",
        ],
      });
      try {
        await test(browser);
      } finally {
        await browser.close();
      }
    },
  });
}
