/**
 * DBBD: self-supervised pre-training for 3D point clouds, on any GPU that WebGPU reaches.
 *
 * A scene is cut into a tree of regions. Two branches encode the same tree in opposite directions,
 * each from its own augmented view, and a contrastive loss pulls together what the two say of the
 * same region and of the same point.
 *
 * ```ts
 * import { SyntheticDataset, Trainer, TrainingConfig } from "@dbbd/dbbd";
 *
 * const config = TrainingConfig.fromObject({ small_mode: true, num_epochs: 2 });
 * using trainer = await Trainer.create(config, { train: new SyntheticDataset({ scenes: 4, seed: 42 }) });
 * const { loss, alignment } = await trainer.trainStep(await trainer.nextBatch());
 * const { lastLoss, checkpoint } = await trainer.fit();
 * console.log(loss, alignment, lastLoss, checkpoint);
 * ```
 *
 * Things that hold memory of the device (`Device`, `Trainer`, `Model`, `ParameterSet`, `AdamW`) are
 * freed by `using`; tensors by the scope they were made in.
 *
 * @module
 */

// Errors a person can do something about. Everything else that is thrown is a fault of this
// library.
export { DataError, UsageError } from "./src/base/errors.ts";
export { DeviceError, NoDeviceError } from "./src/gpu/errors.ts";

// Training
export {
  type ConfigOverride,
  type ConfigSources,
  type ConfigValues,
  TrainingConfig,
} from "./src/run/config.ts";
export {
  CONFIG_KEY_NAMES,
  CONFIG_KEYS,
  type ConfigGroup,
  type ConfigKey,
  type ConfigKeyName,
  type ConfigValueOf,
  DATA_KEYS,
  LOSS_KEYS,
  MODEL_KEYS,
  OPTIMISATION_KEYS,
  type ResumeRule,
  RUN_KEYS,
} from "./src/run/config_keys.ts";
export { Trainer, type TrainerOptions } from "./src/training/trainer.ts";
export type { FitOptions, Hook, Training, Upcoming } from "./src/training/hooks.ts";
export { Logging } from "./src/training/logging.ts";
export type {
  EpochSummary,
  FitSummary,
  ProbeScores,
  Rescue,
  StepReport,
  ValidationMetrics,
} from "./src/training/reports.ts";
export type { StepMetrics } from "./src/training/step_metrics.ts";
export { type Datasets, openDatasets } from "./src/run/datasets.ts";
export {
  type Checkpoint,
  type CheckpointInfo,
  type Counters,
  readCheckpoint,
  readCheckpointConfig,
  readCheckpointInfo,
  readWeights,
  writeCheckpoint,
} from "./src/run/checkpoint.ts";
export { newestCheckpoint } from "./src/run/newest_checkpoint.ts";
export { RunLog, type RunLogOptions } from "./src/training/run_log.ts";

// Scenes and point clouds
export type { Attribute, Extent, PointCloud } from "./src/cloud/point_cloud.ts";
export type { Dataset, FeatureColumn, FeatureKind, RegionTree, Scene } from "./src/scenes/scene.ts";
export { readPointCloud, readPointCloudBytes } from "./src/cloud/formats/registry.ts";
export type { PassedOver } from "./src/cloud/files_below.ts";
export type { ReadOptions } from "./src/cloud/formats/reader.ts";
export {
  prepare,
  PREPARE_DEFAULTS,
  type PreparedCloud,
  type PrepareOptions,
  type PrepareReport,
} from "./src/cloud/prepare.ts";
export type { SourceRows } from "./src/cloud/thinning.ts";
export { DEFAULT_SETTINGS, type SceneSettings } from "./src/scenes/preprocess/settings.ts";
export { estimateNormals, type NormalOrientation } from "./src/cloud/normals.ts";
export { sampleMesh } from "./src/cloud/mesh_sampling.ts";
export { buildTree, type TreeOptions } from "./src/scenes/tree_builder.ts";
export {
  cutTree,
  type NestedRegion,
  treeFromNested,
  treeToNested,
  validateTree,
} from "./src/scenes/region_tree.ts";
export {
  readScene,
  readSceneFile,
  type SceneFile,
  sceneFromFile,
  type SceneOptions,
  writeScene,
} from "./src/scenes/scene_file.ts";
export {
  listScenes,
  openScenes,
  ScenesDataset,
  type ScenesOptions,
  type ScenesSource,
  type Split,
} from "./src/scenes/scenes_dataset.ts";
export {
  SYNTHETIC_ROOMS,
  SYNTHETIC_SURFACES,
  SyntheticDataset,
  type SyntheticOptions,
  type SyntheticSource,
} from "./src/scenes/synthetic/synthetic.ts";
export type {
  Augmentation,
  AugmentationConfig,
  AugmentationList,
  Axis,
  OwnAugmentation,
} from "./src/scenes/views/augmentations/types.ts";
export type { Affine } from "./src/scenes/views/augmentations/affine.ts";
export type {
  AugmentationField,
  AugmentationRule,
  ViewUnderWay,
} from "./src/scenes/views/augmentations/rule.ts";
export { TRAINING_AUGMENTATION } from "./src/scenes/views/augmentations/table.ts";
export { type DrawnGroup, type ThinnedTree, thinTree } from "./src/scenes/views/drawn_points.ts";
export { augment, identityView, type SceneView } from "./src/scenes/views/views.ts";
export type { Batch, BatchLevel, BatchView } from "./src/scenes/batches/batch.ts";
export { type BatchItem, buildBatch } from "./src/scenes/batches/batch_builder.ts";
export type { BatchOptions } from "./src/scenes/batches/loader.ts";
export {
  type VoxelGeometry,
  voxelGeometry,
  type VoxelLevel,
  type VoxelOptions,
} from "./src/scenes/voxels/geometry.ts";
export { BatchLoader, type LoaderOptions } from "./src/scenes/batches/worker_loader.ts";
export { Random, type RandomKey, type Shuffleable } from "./src/base/random.ts";
export {
  readSafetensors,
  type SafeTensor,
  type SafeTensorArrays,
  type SafeTensorDtype,
  type SafeTensors,
  toFloat32,
  writeSafetensors,
} from "./src/base/safetensors.ts";

// The device
export {
  type BufferSlice,
  Device,
  type DeviceOptions,
  type DispatchGroups,
  type RowDispatch,
} from "./src/gpu/device.ts";
export type { StreamCounters } from "./src/gpu/command_stream.ts";
export type { DeviceKind, DeviceRequest } from "./src/gpu/adapter.ts";
export type { BufferPool, PooledBuffer, PoolUsage } from "./src/gpu/buffer_pool.ts";
export type {
  Kernel,
  KernelBinding,
  KernelConstants,
  KernelParams,
  KernelSource,
} from "./src/gpu/kernel.ts";
export type { OwnedBuffer, Scope } from "./src/gpu/scope.ts";

// Tensors with gradients
export * from "./src/tensor/operations.ts";
export {
  type BackwardPass,
  type DType,
  empty,
  full,
  type InputGradients,
  inverseMap,
  type KernelMap,
  makeSegments,
  NO_ROW,
  noGrad,
  type Operand,
  record,
  recordAll,
  type RowTable,
  type Segments,
  segmentsOfLengths,
  type SegmentStage,
  stridedMap,
  submanifoldMap,
  type TablePart,
  type TapeNode,
  Tensor,
  tensor,
  type TensorData,
  zeros,
} from "./src/tensor/mod.ts";

// Layers, optimiser, schedule
export { ParameterRegistry, ParameterSet, type ParameterSpec } from "./src/nn/parameters.ts";
export {
  applyBatchNorm,
  type BatchNormSettings,
  declareBatchNorm,
  type Mode,
} from "./src/nn/batch_norm.ts";
export {
  constant,
  fanInUniform,
  type Initialiser,
  standardNormal,
  xavierUniform,
} from "./src/nn/initialisers.ts";
export {
  type ActivationStep,
  applySteps,
  before,
  declareSteps,
  inputWidth,
  type LinearInit,
  type LinearStep,
  linearStep,
  mlp,
  type NormStep,
  type RowInput,
  type Step,
} from "./src/nn/network.ts";
export { AdamW, type AdamWOptions, type AdamWState } from "./src/nn/adamw.ts";
export { learningRate, type ScheduleConfig } from "./src/nn/schedule.ts";

// The model
export { Model, type ModelOptions, modelParameters, type ModelParts } from "./src/model/model.ts";
export type { ModelConfig, SpunetConfig } from "./src/model/model_config.ts";
export type {
  BranchOutput,
  ContrastPair,
  Encoder,
  EncoderOutput,
  Heads,
} from "./src/model/encoder.ts";
export { branchOutput, plainHeads } from "./src/model/plain_encoder.ts";
export { poolLevels } from "./src/model/pool_levels.ts";
export type {
  Backbone,
  BackboneParts,
  ComputeOptions,
  SettingsProblem,
} from "./src/model/backbones/backbone.ts";
export { BACKBONES } from "./src/model/backbones/table.ts";
export type { Losses, Objective, ObjectiveInput } from "./src/model/objectives/objective.ts";
export { OBJECTIVES } from "./src/model/objectives/table.ts";
export type { RowVariant, VariantOptions } from "./src/model/fused/plan/variants.ts";
export { fusedInfoNCE as infoNCE } from "./src/model/fused/contrast/info_nce.ts";
export { featureMetrics } from "./src/model/metrics.ts";
export {
  type DeviceLevel,
  type DeviceView,
  type RegionBatch,
  uploadBatch,
} from "./src/model/region_batch.ts";

// Evaluation
export {
  type CheckpointEncoderOptions,
  type CloudRows,
  type EmbeddedCloud,
  encoderFromCheckpoint,
  type EncoderOptions,
  type EncoderSettings,
  readEncoderSettings,
  SceneEncoder,
  untrainedEncoder,
} from "./src/inference/encoder.ts";
export { featuresOfRows } from "./src/inference/row_features.ts";
export type {
  Branch,
  Branches,
  FeaturePart,
  SceneFeatures,
  SceneVectors,
} from "./src/inference/features.ts";
export {
  GOLDEN_BARS,
  type GoldenReport,
  verifyGolden,
  type VerifyOptions,
} from "./src/evaluation/golden.ts";
export {
  type Baseline,
  evaluate,
  type EvaluateHooks,
  type EvaluateOptions,
  type Evaluation,
  type Protocol,
} from "./src/evaluation/evaluate.ts";
export type { ClassifierName } from "./src/evaluation/heads/classifiers.ts";
export type { EvaluationData, TestSplit } from "./src/evaluation/sides.ts";
export type { Budget } from "./src/evaluation/splits.ts";
export { ALL_FEATURES, type FeatureChoice, parseFeatures } from "./src/evaluation/vectors.ts";
export type { FeatureScore, Gain, ObjectResult } from "./src/evaluation/object_protocols.ts";
export type { PointResult, PointScore } from "./src/evaluation/point_protocol.ts";
export type { Interval, Scores } from "./src/evaluation/scores.ts";
export { openProbe, type Probe } from "./src/evaluation/probe.ts";
export type { ProbeConfig, ProbeProtocol } from "./src/run/probe_config.ts";
