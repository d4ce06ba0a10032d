/** One HTML file of styles, program and data. */

import uplotCss from "uplot/dist/uPlot.min.css" with { type: "text" };
import { DataError, UsageError } from "../base/errors.ts";
import pageCss from "./page/page.css" with { type: "text" };

/**
 * The page: `page/` and its libraries in one script, and the packed data as text beside it.
 *
 * Throws UsageError in a Deno that was started without its bundler.
 */
export async function pageOf(
  title: string,
  data: string,
  scenes: readonly string[],
): Promise<string> {
  const held = [["report-data", data], ...scenes.map((scene, i) => [`scene-${i}`, scene])];
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)} – DBBD</title>
<link rel="icon" href="data:,">
<style>${uplotCss}
${pageCss}</style>
</head>
<body>
<noscript>This report is drawn by JavaScript, which is switched off.</noscript>
${held.map(([id, text]) => `<script type="text/plain" id="${id}">${text}</script>`).join("\n")}
<script type="module">${await programOf()}</script>
</body>
</html>
`;
}

/** `page/main.ts` and what it imports, as one module that may stand in HTML. */
async function programOf(): Promise<string> {
  if (typeof Deno.bundle !== "function") {
    throw new UsageError(
      "Cannot make the page: Deno's bundler is off. Start with deno task report, or give deno run --unstable-bundle.",
    );
  }
  const { success, errors, outputFiles } = await Deno.bundle({
    entrypoints: [new URL("./page/main.ts", import.meta.url).href],
    platform: "browser",
    format: "esm",
    minify: true,
    write: false,
  });
  if (!success || outputFiles?.length !== 1) {
    const reasons = errors.map(({ text }) => text).join("; ");
    throw new DataError(`Cannot make the page: its program cannot be bundled: ${reasons}`);
  }
  // An end tag within a string would end the script; the backslash means nothing in a string.
  return outputFiles[0].text().replaceAll(/<\/(script)/gi, "<\\/$1");
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}
