/**
 * The probe during training: the protocols of `evaluate` on the encoder as it stands, with the test
 * split untouched.
 */

import { listScenes } from "../scenes/scenes_dataset.ts";
import type { Model } from "../model/model.ts";
import type { TrainingConfig } from "../run/config.ts";
import type { ProbeConfig } from "../run/probe_config.ts";
import type { Hook, Training } from "../training/hooks.ts";
import type { ProbeScores } from "../training/reports.ts";
import { SceneEncoder } from "../inference/encoder.ts";
import { gatherSceneVectors } from "./gather.ts";
import { axesCache, budgetResult } from "./object_protocols.ts";
import { classesOf, survey } from "./point_labels.ts";
import { pointResult } from "./point_protocol.ts";
import { labelsOfSides, openSides, type Sides } from "./sides.ts";
import { ALL_FEATURES } from "./vectors.ts";

/** Measures a model; nothing of it changes, and the same weights give the same scores. */
type Measure = (model: Model) => Promise<ProbeScores>;

/**
 * A probe whose scenes were found and whose labels were checked: a hook that measures every few
 * epochs, and the last.
 */
export interface Probe extends Hook {
  /** What it measures on what, in one line. */
  readonly description: string;
  /** Measures a training's model, where its epoch is due. */
  measure(epoch: number, training: Pick<Training, "model" | "config">): Promise<ProbeScores | null>;
}

/** Points that a point probe is fitted on: enough to follow a training. */
const TRAIN_POINTS = 20_000;
const FEATURES = "trained";

/**
 * Opens the scenes of a probe. Classifiers learn on the training scenes of its folder and are
 * tested on its `val` split, or, where there is none, on a fifth of the training scenes; never on
 * the test split, since a training that keeps what does best would be tuned on it.
 *
 * @throws {UsageError} There is no such folder. @throws {DataError} Labels are missing, or of one
 * class.
 */
export async function openProbe(
  config: TrainingConfig,
  { data, protocol, every }: ProbeConfig,
): Promise<Probe> {
  const { seed } = config;
  const folder = data ?? config.data_root;
  const { val } = await listScenes(folder);
  const split = val.length > 0 ? "val" : "held-out";
  const sides = await openSides({ data: folder, split }, config, seed);
  const measure = protocol === "points"
    ? await pointProbe(sides, config)
    : await objectProbe(sides, config, protocol);
  const { train, test, testedOn } = sides;
  return {
    description: `Probe: ${protocol} every ${every} epoch${
      every === 1 ? "" : "s"
    }, learnt on ${train.indices.length} scenes, tested on ${test.indices.length}: ${testedOn}`,
    name: "probe",
    async measure(epoch, { model, config: { num_epochs } }) {
      const done = epoch + 1;
      return done % every === 0 || done >= num_epochs ? await measure(model) : null;
    },
  };
}

async function objectProbe(
  sides: Sides,
  config: TrainingConfig,
  protocol: "linear" | "svm" | "knn",
): Promise<Measure> {
  const labels = await labelsOfSides(sides);
  return async (model) => {
    const encoders = new Map([[FEATURES, new SceneEncoder(model, config)]]);
    const gather = async (side: "train" | "test") => {
      const { dataset, indices } = sides[side];
      const own = labels[side];
      return (await gatherSceneVectors(dataset, indices, own, encoders, ALL_FEATURES)).get(
        FEATURES,
      )!;
    };
    const features = [{ name: FEATURES, train: await gather("train"), test: await gather("test") }];
    const { device } = model, classes = labels.classes.length;
    const task = { device, features, classes, seed: config.seed };
    const { scores: [{ accuracy, meanClassAccuracy }] } = await budgetResult(
      task,
      protocol,
      { share: 1 },
      axesCache(device),
    );
    return {
      score: accuracy,
      values: {
        [`${protocol}_accuracy`]: accuracy,
        [`${protocol}_mean_class_accuracy`]: meanClassAccuracy,
      },
    };
  };
}

async function pointProbe(sides: Sides, config: TrainingConfig): Promise<Measure> {
  const ignore = [255];
  classesOf(await survey(sides.train, ignore), await survey(sides.test, ignore));
  return async (model) => {
    const { scores: [{ meanIoU, accuracy, meanAccuracy }] } = await pointResult({
      ...sides,
      device: model.device,
      encoders: new Map([[FEATURES, new SceneEncoder(model, config)]]),
      choice: ALL_FEATURES,
      ignore,
      trainPoints: TRAIN_POINTS,
      seed: config.seed,
    });
    return {
      score: meanIoU,
      values: {
        points_mean_iou: meanIoU,
        points_accuracy: accuracy,
        points_mean_class_accuracy: meanAccuracy,
      },
    };
  };
}
