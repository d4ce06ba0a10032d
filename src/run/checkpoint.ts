/**
 * Checkpoints: safetensors files with the parameters under their names (docs/model.md, Modules and
 * parameter names), the optimiser's moments beside them, and config and counters in the metadata.
 * PyTorch's safetensors reads them; a file that it wrote initialises a model.
 */

import { join } from "@std/path";
import { parseSettings, type SceneSettings } from "../scenes/preprocess/settings.ts";
import {
  readSafetensors,
  readSafetensorsHeader,
  type SafeTensor,
  type SafeTensors,
  toFloat32,
  writeSafetensors,
} from "../base/safetensors.ts";
import { DataError } from "../base/errors.ts";
import type { AdamWState } from "../nn/adamw.ts";
import { type ParameterSpec, trainedOf } from "../nn/parameters.ts";
import { elements, formatShape } from "../tensor/mod.ts";
import type { ConfigValues } from "./config.ts";

const FIRST = "optimizer.first_moment.";
const SECOND = "optimizer.second_moment.";
/** Written into every checkpoint; a reader refuses what it does not know. */
export const FORMAT = "dbbd-checkpoint-1";

/** Where a run stands. */
export interface Counters {
  /** Epochs completed. */
  readonly epoch: number;
  /** Steps completed within the epoch after those. */
  readonly stepInEpoch: number;
  /** Steps completed in all. */
  readonly step: number;
  /** Sum of the losses of the epoch so far. */
  readonly epochLossSum: number;
  /** Lowest validation loss so far; null before the first. */
  readonly bestLoss: number | null;
  /** Highest score of the probe so far; null or absent before the first. */
  readonly bestProbe?: number | null;
  /**
   * Checkpoints by name that this state is still to be saved as: what a run killed between two
   * saves has left to do.
   */
  readonly unsaved?: readonly string[];
}

/** All that a run needs to go on as if it had never stopped. */
export interface Checkpoint {
  /** Weights by name. */
  readonly parameters: ReadonlyMap<string, Float32Array>;
  /** AdamW's moments and step counts. */
  readonly optimizer: AdamWState;
  /** Where the run stands. */
  readonly counters: Counters;
  /** The settings it was trained with. */
  readonly config: ConfigValues;
  /** The run directory that the logs went to; null when nothing was logged. */
  readonly runDirectory: string | null;
  /** How the scenes it was trained on were made of clouds; null where they did not say. */
  readonly preparation: SceneSettings | null;
}

/** What a file of weights says of itself. */
export interface CheckpointInfo {
  /** The settings it was trained with; null for a file of weights alone, as PyTorch writes. */
  readonly config: ConfigValues | null;
  /** As in `Checkpoint`. */
  readonly preparation: SceneSettings | null;
  /** Where the run stood; null for a file of weights alone. */
  readonly counters: Counters | null;
}

/** Names of the checkpoints that a run writes. */
const CHECKPOINT_NAME = /^(last|best|final|epoch_\d{4,10})$/;

/** The path of a checkpoint by name: `last`, `best`, `final`, `epoch_0010`. */
export function checkpointPath(directory: string, name: string): string {
  return join(directory, `${name}.safetensors`);
}

/** Whether a checkpoint of that name is there. */
export async function hasCheckpoint(directory: string, name: string): Promise<boolean> {
  return await Deno.stat(checkpointPath(directory, name)).then(({ isFile }) => isFile, () => false);
}

/** Name and position of the first value that is NaN or infinite. */
function firstNotFinite(values: ReadonlyMap<string, Float32Array>, prefix = ""): string | null {
  for (const [name, data] of values) {
    const at = data.findIndex((value) => !Number.isFinite(value));
    if (at >= 0) return `${prefix}${name} at position ${at} (${data[at]})`;
  }
  return null;
}

/** Steps and epochs that no run reaches. */
const MOST_STEPS = 2 ** 31;

/**
 * What is wrong with an optimiser's state and counters, in words; null: nothing. The reader refuses
 * what this names, so the writer asks too: a checkpoint that never loads does not take the place of
 * a good one.
 */
function stateProblem({ optimizer, counters }: Pick<Checkpoint, "optimizer" | "counters">) {
  const moments = firstNotFinite(optimizer.firstMoment, FIRST) ??
    firstNotFinite(optimizer.secondMoment, SECOND);
  if (moments) return `a moment of the optimiser is not finite: ${moments}`;
  for (const [name, data] of optimizer.secondMoment) {
    const at = data.findIndex((value) => value < 0);
    if (at >= 0) {
      return `${SECOND}${name} at position ${at} is ${data[at]}, a square is not below 0`;
    }
  }
  const { step } = counters;
  for (const [name, steps] of optimizer.steps) {
    if (!(Number.isSafeInteger(steps) && steps >= 0 && steps <= step)) {
      return `the optimiser's steps of ${name} are ${steps}, expected 0 to the run's ${step}`;
    }
  }
  return countersProblem(counters);
}

function countersProblem(
  { epoch, stepInEpoch, step, epochLossSum, bestLoss, bestProbe = null }: Counters,
): string | null {
  const counts = { epoch, stepInEpoch, step };
  for (const [name, count] of Object.entries(counts)) {
    if (!(Number.isSafeInteger(count) && count >= 0 && count < MOST_STEPS)) {
      return `its counter ${name} is ${count}, expected a whole number from 0 to ${MOST_STEPS - 1}`;
    }
  }
  if (epoch + stepInEpoch > step) {
    return `its counters say ${epoch} epochs and ${stepInEpoch} steps, but ${step} steps in all`;
  }
  const numbers = { epochLossSum, bestLoss: bestLoss ?? 0, bestProbe: bestProbe ?? 0 };
  const [name] = Object.entries(numbers).find(([, value]) => !Number.isFinite(value)) ?? [];
  return name === undefined ? null : `its ${name} is no finite number`;
}

/**
 * Write a checkpoint: to a temporary file, synced, renamed. What stood at `path` stays if anything
 * fails.
 *
 * @throws {DataError} Weights or moments are not finite, counters are out of range, or the system
 * refuses.
 */
export async function writeCheckpoint(
  path: string,
  specs: readonly ParameterSpec[],
  checkpoint: Checkpoint,
): Promise<void> {
  const bad = firstNotFinite(checkpoint.parameters);
  if (bad) {
    throw new DataError(
      `Cannot write ${path}: training diverged, the weights are no longer finite: ${bad}. ` +
        `Try a lower learning_rate or a higher temperature.`,
    );
  }
  const problem = stateProblem(checkpoint);
  if (problem) {
    throw new DataError(
      `Cannot write ${path}: training diverged, ${problem}. Try a lower learning_rate or smaller alpha and beta.`,
    );
  }
  const tensors = new Map<string, SafeTensor>();
  for (const spec of specs) tensors.set(spec.name, toTensor(spec, checkpoint.parameters));
  const { firstMoment, secondMoment } = checkpoint.optimizer;
  for (const [prefix, moments] of [[FIRST, firstMoment], [SECOND, secondMoment]] as const) {
    for (const spec of trainedOf(specs)) {
      tensors.set(prefix + spec.name, toTensor(spec, moments));
    }
  }
  await writeSafetensors(path, tensors, {
    format: FORMAT,
    config: JSON.stringify(checkpoint.config),
    counters: JSON.stringify(checkpoint.counters),
    optimizer_steps: JSON.stringify(Object.fromEntries(checkpoint.optimizer.steps)),
    run_directory: JSON.stringify(checkpoint.runDirectory),
    ...(checkpoint.preparation && { preparation: JSON.stringify(checkpoint.preparation) }),
  });
}

/** A parameter as a file holds it; what counts is a whole number there, as in PyTorch. */
function toTensor(
  { name, shape, buffer }: ParameterSpec,
  values: ReadonlyMap<string, Float32Array>,
): SafeTensor {
  const data = values.get(name)!;
  return buffer && shape.length === 0
    ? { dtype: "I64", shape, data: BigInt64Array.from(data, (value) => BigInt(value)) }
    : { dtype: "F32", shape, data };
}

/** The values of a tensor; counters are whole numbers. */
function toValues(found: SafeTensor, where: string): Float32Array {
  return found.dtype === "I64" && found.shape.length === 0
    ? Float32Array.from(found.data as BigInt64Array, Number)
    : toFloat32(found, where);
}

/**
 * Compare what a file holds with what the model needs; list everything missing, extra or of another
 * shape.
 */
function matchTensors(
  path: string,
  tensors: ReadonlyMap<string, SafeTensor>,
  specs: readonly ParameterSpec[],
  prefix: string,
  left = "optimizer.",
): Map<string, Float32Array> {
  const problems: string[] = [];
  const values = new Map<string, Float32Array>();
  for (const { name, shape } of specs) {
    const found = tensors.get(prefix + name);
    if (!found) problems.push(`missing: ${prefix}${name} ${formatShape(shape)}`);
    else if (found.shape.join() !== shape.join() && elements(shape) !== 0) {
      problems.push(
        `another shape: ${prefix}${name} is ${formatShape(found.shape)}, the model has ${
          formatShape(shape)
        }`,
      );
    } else values.set(name, toValues(found, `${prefix}${name} of ${path}`));
  }
  if (prefix === "") {
    const known = new Set(specs.map(({ name }) => name));
    for (const [name, { shape }] of tensors) {
      if (!name.startsWith("optimizer.") && !name.startsWith(left) && !known.has(name)) {
        problems.push(`extra: ${name} ${formatShape(shape)}`);
      }
    }
  }
  const bad = firstNotFinite(values);
  if (bad) problems.push(`not finite: ${prefix}${bad}`);
  if (problems.length > 0) {
    throw new DataError(
      `Cannot load ${path}: its weights do not fit this model.\n  ${problems.join("\n  ")}\n` +
        `Use the config that the weights were trained with.`,
    );
  }
  return values;
}

function parseMetadata(path: string, metadata: Record<string, string>, key: string): unknown {
  try {
    return JSON.parse(metadata[key]);
  } catch {
    throw new DataError(`Cannot use the checkpoint ${path}: its ${key} is missing or damaged.`);
  }
}

/** Absent in checkpoints of earlier versions. */
function parsePreparation(path: string, metadata: Record<string, string>): SceneSettings | null {
  if (metadata.preparation === undefined) return null;
  return parseSettings(parseMetadata(path, metadata, "preparation"));
}

function parseConfig(path: string, metadata: Record<string, string>): ConfigValues {
  const config = parseMetadata(path, metadata, "config");
  if (typeof config !== "object" || config === null || Array.isArray(config)) {
    throw new DataError(`Cannot use the checkpoint ${path}: its config is damaged.`);
  }
  return config as ConfigValues;
}

function isCounters(value: unknown): value is Counters {
  if (typeof value !== "object" || value === null) return false;
  const { epochLossSum, bestLoss, bestProbe = null, unsaved = [] } = value as Counters;
  return typeof epochLossSum === "number" && (bestLoss === null || typeof bestLoss === "number") &&
    (bestProbe === null || typeof bestProbe === "number") &&
    Array.isArray(unsaved) && unsaved.every((name) => CHECKPOINT_NAME.test(name)) &&
    countersProblem(value as Counters) === null;
}

function parseRunDirectory(path: string, metadata: Record<string, string>): string | null {
  const runDirectory = parseMetadata(path, metadata, "run_directory");
  if (runDirectory !== null && typeof runDirectory !== "string") {
    throw new DataError(`Cannot resume from ${path}: its run_directory is damaged.`);
  }
  return runDirectory;
}

/** Throws unless a file is a checkpoint of this program. */
function checkFormat(path: string, metadata: Record<string, string>): void {
  if (metadata.format !== FORMAT) {
    throw new DataError(
      `Cannot resume from ${path}: it is no checkpoint of this program (format ${
        metadata.format ?? "not given"
      }, expected ${FORMAT}). To start from its weights use --init-from.`,
    );
  }
}

async function openCheckpoint(path: string): Promise<SafeTensors & { config: ConfigValues }> {
  const { tensors, metadata } = await readSafetensors(path);
  checkFormat(path, metadata);
  return { tensors, metadata, config: parseConfig(path, metadata) };
}

/**
 * The configuration that a checkpoint was trained with, and the run directory that its logs went
 * to; its header alone is read.
 */
export async function readCheckpointPlaces(
  path: string,
): Promise<{ config: ConfigValues; runDirectory: string | null }> {
  const { metadata } = await readSafetensorsHeader(path);
  checkFormat(path, metadata);
  return { config: parseConfig(path, metadata), runDirectory: parseRunDirectory(path, metadata) };
}

/** The configuration that a checkpoint was trained with. */
export async function readCheckpointConfig(path: string): Promise<ConfigValues> {
  return (await openCheckpoint(path)).config;
}

/**
 * What a file of weights says of itself; its header alone is read.
 *
 * @throws {UsageError} There is no such file. @throws {DataError} It is no sound safetensors file,
 * holds no weights of an encoder, or is a damaged checkpoint.
 */
export async function readCheckpointInfo(path: string): Promise<CheckpointInfo> {
  const { metadata, tensors } = await readSafetensorsHeader(path);
  if (metadata.format !== FORMAT) {
    const names = [...tensors.keys()];
    if (names.some((name) => name.startsWith("encoder."))) {
      return { config: null, preparation: null, counters: null };
    }
    throw new DataError(
      `Cannot use ${path} as a checkpoint: expected weights of an encoder (tensors encoder.…), found ${
        names.slice(0, 3).join(", ") || "no tensors"
      }${names.length > 3 ? ", …" : ""}`,
    );
  }
  const counters = parseMetadata(path, metadata, "counters");
  if (!isCounters(counters)) {
    throw new DataError(`Cannot use the checkpoint ${path}: its counters are damaged.`);
  }
  const preparation = parsePreparation(path, metadata);
  return { config: parseConfig(path, metadata), preparation, counters };
}

/**
 * Read a whole checkpoint for a model with the parameters `specs`.
 * @param check is shown the config before the weights are compared, and may refuse it
 */
export async function readCheckpoint(
  path: string,
  specs: readonly ParameterSpec[],
  check: (saved: ConfigValues) => void = () => {},
): Promise<Checkpoint> {
  const { tensors, metadata, config } = await openCheckpoint(path);
  check(config);
  const parameters = matchTensors(path, tensors, specs, "");
  const steps = parseMetadata(path, metadata, "optimizer_steps") as Record<string, number>;
  const counters = parseMetadata(path, metadata, "counters");
  const trained = trainedOf(specs);
  const known = new Set(trained.map(({ name }) => name));
  if (
    !isCounters(counters) || typeof steps !== "object" || steps === null ||
    Object.keys(steps).length !== known.size || Object.keys(steps).some((name) => !known.has(name))
  ) {
    throw new DataError(`Cannot resume from ${path}: its counters are damaged.`);
  }
  const runDirectory = parseRunDirectory(path, metadata);
  const optimizer = {
    firstMoment: matchTensors(path, tensors, trained, FIRST),
    secondMoment: matchTensors(path, tensors, trained, SECOND),
    steps: new Map(Object.entries(steps)),
  };
  const problem = stateProblem({ optimizer, counters });
  if (problem) throw new DataError(`Cannot resume from ${path}: ${problem}.`);
  return {
    parameters,
    optimizer,
    counters,
    config,
    runDirectory,
    preparation: parsePreparation(path, metadata),
  };
}

/**
 * Read weights alone, from a checkpoint or from a file that holds nothing but tensors of those
 * names.
 * @param left tensors whose names begin so may be there besides; default: none
 */
export async function readWeights(
  path: string,
  specs: readonly ParameterSpec[],
  left?: string,
): Promise<Map<string, Float32Array>> {
  const { tensors } = await readSafetensors(path);
  return matchTensors(path, tensors, specs, "", left);
}
