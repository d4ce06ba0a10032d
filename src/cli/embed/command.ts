/** `deno task embed`: features of scenes and scans. */

import { say, warn } from "../../base/terminal.ts";
import { readConfigFile } from "../../run/config_file.ts";
import { describeProgress } from "../preprocess/show.ts";
import { type StatusLine, statusLine } from "../../base/status_line.ts";
import { DEFAULT_SETTINGS } from "../../scenes/preprocess/settings.ts";
import { DataError } from "../../base/errors.ts";
import { Device } from "../../gpu/device.ts";
import {
  encoderFromCheckpoint,
  type EncoderSettings,
  readEncoderSettings,
  type SceneEncoder,
} from "../../inference/encoder.ts";
import { command, type RunCommand } from "../command.ts";
import { INTERRUPTED } from "../exit.ts";
import { type EmbedArguments, embedHelp, parseEmbedArguments } from "./arguments.ts";
import type { Recipe } from "../../inference/embed/manifest.ts";
import {
  type EmbedOptions,
  type EmbedPlan,
  embedScenes,
  planEmbedding,
} from "../../inference/embed/run.ts";
import { describePlan, describePreparation, describeResult } from "./show.ts";

type Asked = Extract<EmbedArguments, { help: false }>;

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

/** What the features will be made of. */
async function recipeOf(
  { checkpoint: path, outputs, settings }: Asked,
  { config, preparation, counters }: EncoderSettings,
): Promise<Recipe> {
  return {
    checkpoint: {
      path,
      sha256: await sha256(path),
      epoch: counters?.epoch ?? null,
      step: counters?.step ?? null,
    },
    config: config.toObject(),
    preparation: settings(preparation ?? DEFAULT_SETTINGS),
    outputs,
  };
}

/** Tells each note once, and not too many. */
function noteTeller(status: StatusLine): (source: string, note: string) => void {
  const notes = new Set<string>();
  return (source, note) => {
    if (!notes.has(note) && notes.size < MOST_NOTES) status.say(`Note on ${source}: ${note}`);
    notes.add(note);
  };
}

/** The command. */
export const embed: RunCommand = command(embedHelp, parseEmbedArguments, run);

async function run(args: Asked): Promise<number> {
  const started = performance.now();
  const { checkpoint: path, inputs, output, overwrite } = args;
  const given = args.config === undefined ? undefined : await readConfigFile(args.config);
  const settings = await readEncoderSettings(path, given);
  const { config, preparation, counters } = settings;
  const recipe = await recipeOf(args, settings);
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
  return await makeFeatures(encoder, plan, options, preparation !== null, started);
}

/** Makes the features. Gives the exit code. */
async function makeFeatures(
  encoder: SceneEncoder,
  plan: EmbedPlan,
  options: EmbedOptions,
  preparationKnown: boolean,
  started: number,
): Promise<number> {
  const status = statusLine();
  const begun = performance.now();
  const abort = new AbortController();
  const interrupt = () => abort.abort();
  Deno.addSignalListener("SIGINT", interrupt);
  let done = plan.kept.size;
  let told = false;
  try {
    const manifest = await embedScenes(encoder, plan, options, {
      signal: abort.signal,
      onPrepared() {
        if (!told) {
          const from = preparationKnown ? "checkpoint" : "defaults";
          say(describePreparation(options.recipe.preparation, from));
        }
        told = true;
      },
      onNote: noteTeller(status),
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
    say(describeResult(manifest, options.output, made, (performance.now() - started) / 1000));
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
