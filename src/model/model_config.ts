/** The sparse U-Net's sizes. */
export interface SpunetConfig {
  /** Edge of the finest voxels, metres. */
  readonly voxel_size: number;
  /** Width after the first convolution. */
  readonly base_channels: number;
  /** Widths of the stages: down, then up; as many down as up. */
  readonly channels: readonly number[];
  /** Blocks of each stage. */
  readonly layers: readonly number[];
}

/**
 * The part of a configuration that shapes the model and its losses; names and defaults are
 * docs/model.md's.
 */
export interface ModelConfig {
  /** What features come from, by its name in the table of backbones; default pointnet. */
  readonly backbone?: string;
  /** What training makes small, by its name in the table of objectives; default dbbd. */
  readonly objective?: string;
  /** Sizes of the backbone spunet. */
  readonly spunet?: SpunetConfig;
  /** C, feature channels of a point. */
  readonly input_feat_dim: number;
  /** H, width of the projected point features. */
  readonly hidden_dim: number;
  /** D, width of region and point features. */
  readonly output_dim: number;
  /** E, hidden widths of the shared point encoder. */
  readonly encoder_hidden_dims: readonly number[];
  /** How a region's points become its feature. */
  readonly encoder_pooling: "max" | "mean";
  /** P, width inside the propagator. */
  readonly propagator_hidden_dim: number;
  /** Linear layers of the propagator, at least 2. */
  readonly propagator_num_layers: number;
  /**
   * What the propagator reads beside the parent's feature: a point's plain coordinates
   * (docs/model.md, the default), or those from the parent's centre, which say nothing about where
   * in the scene it lies.
   */
  readonly propagator_coords?: "plain" | "parent";
  /** How children's features become their parent's. */
  readonly aggregator_mode: "max" | "mean" | "attention";
  /** Attention only: add an encoding of where each child's centre lies. */
  readonly aggregator_use_spatial: boolean;
  /** Width in which regions and points are contrasted. */
  readonly projection_dim: number;
  /** τ of InfoNCE. */
  readonly temperature: number;
  /** Weight of the region loss. */
  readonly alpha: number;
  /** Weight of the point loss. */
  readonly beta: number;
}
