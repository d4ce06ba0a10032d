/** Makes a report: reads the runs, encodes the scenes, writes the page. */

import { writeFileAtomically } from "../base/atomic_write.ts";
import { DataError, UsageError } from "../base/errors.ts";
import { NoDeviceError } from "../gpu/errors.ts";
import { packBytes } from "./bytes.ts";
import { encodeScenes, findCheckpoint, type SceneOptions } from "./encode_scenes.ts";
import { pageOf } from "./page_file.ts";
import { readRuns } from "./read_run.ts";
import type { ReportData, RunData } from "./report_data.ts";
import { packScenes } from "./scene_data.ts";

/** What a report is made of. */
export interface ReportOptions extends SceneOptions {
  /** The runs' folders. */
  readonly directories: readonly string[];
  /** The file to write. */
  readonly output: string;
  /** Whether a page without scenes is a failure; otherwise it says why it has none. */
  readonly scenesAsked: boolean;
}

/** A report that was written. */
export interface ReportResult {
  /** What the page shows. */
  readonly report: ReportData;
  /** Size of the file. */
  readonly bytes: number;
}

type EncodedScenes = Pick<ReportData, "scenes" | "encoder" | "notes"> & {
  readonly packed: readonly string[];
};

/**
 * Makes a report and writes it, whole or not at all.
 *
 * Throws UsageError or DataError for runs that cannot be read, for scenes that were asked for and
 * cannot be shown, and where the file cannot be written.
 *
 * @param say Is told what there is to know, a line each.
 * @param show Is told what is being done, over and over.
 */
export async function makeReport(
  options: ReportOptions,
  say: (line: string) => void = () => {},
  show: (line: string) => void = say,
): Promise<ReportResult> {
  const runs = await readRuns(options.directories);
  for (const { name, notes } of runs) for (const note of notes) say(`${name}: ${note}`);
  const { packed, ...scenes } = await scenesOf(runs, options, show);
  for (const note of scenes.notes) say(note);
  const report: ReportData = { made: new Date().toISOString(), runs, ...scenes };
  const data = await packBytes(new TextEncoder().encode(JSON.stringify(report)));
  const title = runs.length === 1 ? runs[0].name : `${runs.length} runs`;
  const page = new TextEncoder().encode(await pageOf(title, data, packed));
  await writeFileAtomically(options.output, page);
  return { report, bytes: page.length };
}

async function scenesOf(
  runs: readonly RunData[],
  options: ReportOptions,
  show: (line: string) => void,
): Promise<EncodedScenes> {
  const none = { scenes: [], encoder: null, packed: [] };
  if (options.scenes === 0 && options.paths.length === 0) {
    return { ...none, notes: ["Scenes were not asked for."] };
  }
  try {
    const found = await findCheckpoint(runs, options.checkpoint);
    if ("reasons" in found) {
      throw new UsageError(`Cannot show scenes: no checkpoint.\n  ${found.reasons.join("\n  ")}`);
    }
    const { shown, width } = await encodeScenes(
      found.path,
      options,
      (i, count, name) => show(`Encoding scene ${i + 1} of ${count}: ${name}`),
    );
    const made = packScenes(shown, width);
    const packed: string[] = [];
    for (const { bytes } of made) packed.push(await packBytes(bytes));
    return {
      scenes: made.map(({ data }) => data),
      encoder: { run: found.run, checkpoint: found.path },
      packed,
      notes: options.scenesAsked && made.length < options.scenes + options.paths.length
        ? [`The run has no more than ${made.length - options.paths.length} scenes.`]
        : [],
    };
  } catch (error) {
    const expected = error instanceof UsageError || error instanceof DataError ||
      error instanceof NoDeviceError;
    if (options.scenesAsked || !expected) throw error;
    return { ...none, notes: [error.message] };
  }
}
