/** The report's page, from a run's folder to a real browser. */

import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { join, toFileUrl } from "@std/path";
import type { Page } from "playwright-core";
import { SyntheticDataset } from "../../src/scenes/synthetic/synthetic.ts";
import { UsageError } from "../../src/base/errors.ts";
import { packBytes } from "../../src/report/bytes.ts";
import { makeReport, type ReportOptions } from "../../src/report/make_report.ts";
import { pageOf } from "../../src/report/page_file.ts";
import { readRuns } from "../../src/report/read_run.ts";
import type { ReportData } from "../../src/report/report_data.ts";
import { choosePoints, packScenes, rowsOf } from "../../src/report/scene_data.ts";
import { RunLog } from "../../src/training/run_log.ts";
import { browserTest, openPage } from "../support/browser.ts";
import { noDevice } from "../support/device.ts";
import { missingPermissions } from "../support/permissions.ts";
import { tempFolder } from "../support/temp_folder.ts";
import { tinyConfig, tinyTrainer } from "../support/training.ts";

/** Writes the folder of a run of some steps. */
async function writeRun(folder: string, name: string, learningRate: number): Promise<string> {
  const config = tinyConfig({ log_dir: folder, run_name: name, learning_rate: learningRate });
  using log = await RunLog.create({ config, device: "a device" });
  for (let step = 0; step < 157; step++) {
    const total = 7 - step / 40 + 0.3 * Math.sin(step * learningRate * 900);
    const time = new Date(Date.UTC(2025, 0, 31, 12, 0, step));
    log.log(step, { total, region: total / 2, alignment: step / 200, learning_rate: 1e-3 }, time);
    if (step % 20 === 19) log.log(step, { epoch: 1, "validation/total": total + 0.5 }, time);
  }
  return log.directory;
}

function options(directories: readonly string[], output: string): ReportOptions {
  return {
    directories,
    output,
    scenes: 0,
    scenesAsked: false,
    paths: [],
    pointsPerScene: 0,
    checkpoint: null,
  };
}

/** A page of two runs and two rooms whose features tell their labels, by no encoder. */
async function writePage(folder: string): Promise<string> {
  const runs = await readRuns([
    await writeRun(folder, "first", 0.001),
    await writeRun(folder, "second", 0.002),
  ]);
  const rooms = new SyntheticDataset({ scenes: 2, points: 5003, maxDepth: 2 });
  const width = 13;
  const shown = [];
  for (let i = 0; i < 2; i++) {
    const scene = await rooms.get(i);
    const points = choosePoints(scene.tree, 3001);
    const table = Float32Array.from({ length: scene.coords.length / 3 * width }, (_, at) => {
      const k = at % width, label = scene.pointLabels![(at - k) / width];
      return Number(k === label) + 0.1 * Math.sin(at);
    });
    const rows = rowsOf(table, width, points);
    shown.push({ scene, colors: null, points, g2l: rows, l2g: rows.map((value) => value * value) });
  }
  const made = packScenes(shown, width);
  const report: ReportData = {
    made: "2025-01-31T12:00:00.000Z",
    runs,
    scenes: made.map(({ data }) => data),
    encoder: { run: "first", checkpoint: "best.safetensors" },
    notes: [],
  };
  const data = await packBytes(new TextEncoder().encode(JSON.stringify(report)));
  const packed = await Promise.all(made.map(({ bytes }) => packBytes(bytes)));
  const path = join(folder, "page.html");
  await Deno.writeTextFile(path, await pageOf("<two> runs", data, packed));
  return toFileUrl(path).href;
}

/** How many different colours a canvas shows, and the share of its pixels that are drawn at all. */
async function lookAt(page: Page, selector: string): Promise<{ colors: number; drawn: number }> {
  return await page.locator(selector).first().evaluate((element) => {
    // deno-lint-ignore no-explicit-any -- runs in the page, where there is a DOM
    const canvas = element as any;
    // deno-lint-ignore no-explicit-any
    const copy = (globalThis as any).document.createElement("canvas");
    copy.width = canvas.width;
    copy.height = canvas.height;
    const context = copy.getContext("2d");
    context.drawImage(canvas, 0, 0);
    const { data } = context.getImageData(0, 0, copy.width, copy.height);
    const colors = new Set<number>();
    let drawn = 0;
    for (let i = 0; i < data.length; i += 4) {
      if (data[i + 3] === 0) continue;
      drawn++;
      colors.add(data[i] * 65536 + data[i + 1] * 256 + data[i + 2]);
    }
    return { colors: colors.size, drawn: 4 * drawn / data.length };
  });
}

/** Waits until the page has drawn what it was told. */
async function settle(page: Page): Promise<void> {
  await page.evaluate(() =>
    new Promise((resolve) => {
      // deno-lint-ignore no-explicit-any
      const { requestAnimationFrame: next } = globalThis as any;
      next(() => next(resolve));
    })
  );
}

const picture = (page: Page): Promise<string> =>
  // deno-lint-ignore no-explicit-any
  page.locator(".view canvas").evaluate((canvas) => (canvas as any).toDataURL());

browserTest(
  "the page draws curves and points, a click recolours, nothing complains",
  async (browser) => {
    await using folder = await tempFolder();
    const { page, complaints } = await openPage(browser, await writePage(folder.path));
    await page.waitForSelector(".view[data-scene]");
    await settle(page);
    assertEquals(await page.title(), "<two> runs – DBBD");

    // Curves.
    assertEquals(await page.locator("figure").evaluateAll((all) => all.length), 4);
    for (const key of ["total", "region", "alignment", "learning_rate"]) {
      const { colors, drawn } = await lookAt(page, `figure[data-chart="${key}"] canvas`);
      assert(colors > 20 && drawn > 0.01, `${key}: ${colors} colours, ${drawn} drawn`);
    }
    const chart = 'figure[data-chart="total"] canvas';
    const both = await lookAt(page, chart);
    await page.locator(".runs button").first().click();
    assertEquals(await page.locator(".runs button").first().getAttribute("aria-pressed"), "false");
    assert((await lookAt(page, chart)).drawn < both.drawn);
    await page.locator("figure[data-chart=total] .u-over").hover();
    const told = await page.locator(".tooltip").innerText();
    assertMatch(told, /^Step \d+\s+second\s+\d\.\d+\s+\d\.\d+\s+second, validation\s+\d\.\d+$/);
    await page.getByLabel("Smoothing").fill("0");
    await page.getByText("Log", { exact: true }).click();
    await page.getByText("Time", { exact: true }).click();
    await page.locator("figure[data-chart=total] .u-over").hover();
    assertMatch(await page.locator(".tooltip").innerText(), /^After /);

    // What differs between the runs.
    const head = await page.locator(".comparison thead").innerText();
    assertEquals(head.split(/\s+/).filter(Boolean), ["run_name", "learning_rate"]);

    // Points.
    const { colors, drawn } = await lookAt(page, ".view canvas");
    assert(colors > 100 && drawn > 0.05, `points: ${colors} colours, ${drawn} drawn`);
    const before = await picture(page);
    const canvas = page.locator(".view canvas");
    await canvas.scrollIntoViewIfNeeded();
    const box = (await canvas.boundingBox())!;
    await page.mouse.click(box.x + box.width / 2, box.y + box.height / 2);
    await settle(page);
    assert(await picture(page) !== before, "a click recolours the points");
    assert(await page.locator(".modes input[value=similarity]").isChecked());
    assertMatch(await page.locator(".readout").innerText(), /label \d+ · similarity 1\.000$/);
    assertEquals(await page.locator(".marks .chosen").count(), 1);
    // The features tell the label: so do the neighbours.
    const own = /label (\d+)/.exec(await page.locator(".told h4").innerText())![1];
    const neighbours = await page.locator(".told li").allInnerTexts();
    assertEquals(neighbours.length, 6);
    assertStringIncludes(neighbours[0], `label ${own}`);
    assertMatch(neighbours[0], /^(1\.000|0\.9\d\d)/);

    // Every other way to colour, the other branch, turning, and the other scene.
    let last = await picture(page);
    for (const mode of ["regions", "labels", "height", "components"]) {
      await page.locator(`.modes input[value=${mode}]`).check({ force: true });
      await settle(page);
      const now = await picture(page);
      assert(now !== last, mode);
      last = now;
    }
    await page.getByText("L2G", { exact: true }).click();
    await settle(page);
    assert(await picture(page) !== last, "the other branch has other colours");
    last = await picture(page);
    await page.mouse.move(box.x + 100, box.y + 100);
    await page.mouse.down();
    await page.mouse.move(box.x + 260, box.y + 130, { steps: 4 });
    await page.mouse.up();
    await settle(page);
    assert(await picture(page) !== last, "dragging turns the view");
    assert(await page.locator(".modes input[value=components]").isChecked(), "and is no click");
    await page.locator("#scenes > .choice input").nth(1).check({ force: true });
    await page.locator(".modes input[value=similarity]").check({ force: true });
    await page.waitForFunction(
      "document.querySelector('.told h4').textContent.startsWith('Point of')",
    );
    assertEquals(complaints, []);
  },
);

browserTest(
  "the page fits a narrow window, dark, and shows runs without scenes",
  async (browser) => {
    await using folder = await tempFolder();
    const run = await writeRun(folder.path, "only", 0.001);
    await Deno.writeTextFile(join(run, "metrics.jsonl"), '{"step": 157, "ti', { append: true });
    const output = join(folder.path, "report.html");
    const said: string[] = [];
    const { report, bytes } = await makeReport(options([run], output), (line) => said.push(line));
    assertEquals([report.runs[0].extent.steps, report.runs[0].device], [157, "a device"]);
    assertEquals((await Deno.stat(output)).size, bytes);
    assert(bytes < 1e6, `${bytes} bytes`);
    assertMatch(said.join("\n"), /metrics\.jsonl:165: expected a line of JSON/);
    const { page, complaints } = await openPage(browser, toFileUrl(output).href, {
      width: 390,
      height: 700,
      dark: true,
    });
    await page.waitForSelector("html[data-ready]");
    assertEquals(await page.evaluate("document.documentElement.scrollWidth"), 390);
    assertStringIncludes(await page.locator("#scenes").innerText(), "No scenes are shown");
    assertStringIncludes(await page.locator("#runs .notes").innerText(), "cut off or damaged");
    assertEquals(
      await page.evaluate("getComputedStyle(document.body).backgroundColor"),
      "rgb(22, 24, 27)",
    );
    await page.getByText("Light", { exact: true }).click();
    assertEquals(
      await page.evaluate("getComputedStyle(document.body).backgroundColor"),
      "rgb(252, 252, 251)",
    );
    assertEquals(complaints, []);
  },
);

Deno.test({
  name: "scenes are encoded with the run's own checkpoint, and with no other's",
  ignore: noDevice || missingPermissions("run", "read", "write", "env"),
  async fn() {
    await using folder = await tempFolder();
    const run = await writeRun(folder.path, "mine", 0.001);
    const other = await writeRun(folder.path, "other", 0.001);
    const checkpoints = join(folder.path, "checkpoints");
    const values = { checkpoint_dir: checkpoints, num_epochs: 1, synthetic_points: 301 };
    for (const directory of [run, other]) {
      const config = tinyConfig({ ...values, log_dir: folder.path });
      await Deno.writeTextFile(join(directory, "config.yaml"), config.toYaml());
    }
    using trainer = await tinyTrainer(values);
    trainer.runDirectory = run;
    await trainer.fit();

    const output = join(folder.path, "report.html");
    const { report } = await makeReport({
      ...options([other, run], output),
      scenes: 2,
      pointsPerScene: 97,
    });
    assertEquals(report.encoder, {
      run: "mine",
      checkpoint: join(checkpoints, "best.safetensors"),
    });
    assertEquals(report.scenes.map(({ points }) => points), [97, 97]);
    assert(report.scenes.every(({ pointsOfScene }) => pointsOfScene > 200));
    assert(report.scenes[0].branches.every(({ kept, width }) => kept > 0.9 && width <= 16));

    const without = await makeReport({ ...options([other], output), scenes: 1 });
    assertEquals(without.report.scenes, []);
    assertStringIncludes(without.report.notes[0], `is of ${run}`);
    const asked = { ...options([other], output), scenes: 1, scenesAsked: true };
    await assertRejects(() => makeReport(asked), UsageError, "no checkpoint");
    const missing = { ...asked, directories: [run], paths: ["no_such.ply"] };
    await assertRejects(() => makeReport(missing), UsageError, "no_such.ply");
    const gone = { ...asked, checkpoint: join(folder.path, "no.safetensors") };
    await assertRejects(() => makeReport(gone), UsageError, "no.safetensors");
  },
});
