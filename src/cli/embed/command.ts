/** `deno task embed`: features of scenes and scans. */

import { say, warn } from "../../base/terminal.ts";
import { readConfigFile } from "../../run/config_file.ts";
import { describeProgress } from "../preprocess/show.ts";
import { statusLine } from "../../base/status_line.ts";
import { DEFAULT_SETTINGS } from "../../scenes/preprocess/settings.ts";
import { DataError } from "../../base/errors.ts";
import { Device } from "../../gpu/device.ts";
import { encoderFromCheckpoint, readEncoderSettings } from "../../inference/encoder.ts";
import { command, type RunCommand } from "../command.ts";
import { INTERRUPTED } from "../exit.ts";
import { type EmbedArguments, embedHelp, parseEmbedArguments } from "./arguments.ts";
import type { Recipe } from "../../inference/embed/manifest.ts";
import { embedScenes, planEmbedding } from "../../inference/embed/run.ts";
import { describePlan, describePreparation, describeResult } from "./show.ts";

/** Exit codes: all done, a file failed, Ctrl-C. */
const EXIT = { done: 0, failed: 1, interrupted: INTERRUPTED } as const;
/** Bytes of a point in a file, about: to guess how much work is ahead. */
const POINT_BYTES = 24;
/** Notes that are shown; each once, however many files it is of. */
const MOST_NOTES = 20;

async function sha256(path: string): Promise<string> {
  try {
    const digest = await crypto.subtle.digest("SHA-256", await Deno.readFile(path));
    return new Uint8Array(digest).toHex();
  } catch (error) {
    throw new DataError(`Cannot read ${path}: ${(error as Error).message}`);
  }
}

/** The command. */
export const embed: RunCommand = command(embedHelp, parseEmbedArguments, run);

async function run(args: Extract<EmbedArguments, { help: false }>): Promise<number> {
  const started = performance.now();
  const { checkpoint: path, inputs, output, outputs, overwrite } = args;
  const given = args.config === undefined ? undefined : await readConfigFile(args.config);
  const { config, preparation, counters } = await readEncoderSettings(path, given);
  const recipe: Recipe = {
    checkpoint: {
      path,
      sha256: await sha256(path),
      epoch: counters?.epoch ?? null,
      step: counters?.step ?? null,
    },
    config: config.toObject(),
    preparation: args.settings(preparation ?? DEFAULT_SETTINGS),
    outputs,
  };
  const options = { inputs, output, recipe, overwrite };
  const plan = await planEmbedding(options);

  using device = await Device.create({ request: args.device ?? config.device });
  say(`Device: ${device.description}`);
  // All scenes, also those that are made: a run that goes on computes what the unbroken one would.
  const bytes = plan.scenes.reduce((sum, { source }) => sum + source.bytes, 0);
  const pointsAhead = bytes / POINT_BYTES;
  using encoder = await encoderFromCheckpoint(path, { device, config, pointsAhead });
  say(
    `Encoder: ${path}${counters ? `, ${counters.epoch} epochs` : ""}; features [${
      config.features.join(", ")
    }], ${encoder.width} values each`,
  );
  say(describePlan(plan, output));

  const status = statusLine();
  const begun = performance.now();
  const abort = new AbortController();
  const interrupt = () => abort.abort();
  Deno.addSignalListener("SIGINT", interrupt);
  let done = plan.kept.size;
  let told = false;
  const notes = new Set<string>();
  try {
    const manifest = await embedScenes(encoder, plan, options, {
      signal: abort.signal,
      onPrepared() {
        if (!told) {
          say(describePreparation(recipe.preparation, preparation ? "checkpoint" : "defaults"));
        }
        told = true;
      },
      onNote(source, note) {
        if (!notes.has(note) && notes.size < MOST_NOTES) status.say(`Note on ${source}: ${note}`);
        notes.add(note);
      },
      onFailure: (source, reason) => status.say(`Skipped ${source}: ${reason}`),
      onProgress(made, failed, share) {
        done = made;
        const total = plan.kept.size + plan.left.length;
        const seconds = (performance.now() - begun) / 1000;
        status.show(describeProgress({ done, failed, total, share }, seconds));
      },
    });
    status.end();
    const made = manifest.scenes.length - plan.kept.size;
    say(describeResult(manifest, output, made, (performance.now() - started) / 1000));
    return manifest.failed.length > 0 ? EXIT.failed : EXIT.done;
  } catch (error) {
    status.end();
    if (!abort.signal.aborted) throw error;
    warn(
      `Interrupted with ${done} of ${plan.kept.size + plan.left.length} scenes made. ` +
        `Run the same command again to go on.`,
    );
    return EXIT.interrupted;
  } finally {
    Deno.removeSignalListener("SIGINT", interrupt);
  }
}
