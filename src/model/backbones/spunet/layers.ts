/**
 * The layers of the sparse U-Net: names, widths, first values. docs/model.md, "The sparse U-Net"; it is
 * Pointcept's SpUNet-v1m1 without its classifier.
 */

import type { Random } from "../../../base/random.ts";
import { declareBatchNorm } from "../../../nn/batch_norm.ts";
import { constant, type Initialiser } from "../../../nn/initialisers.ts";
import { ParameterRegistry, type ParameterSpec } from "../../../nn/parameters.ts";
import type { ModelConfig, SpunetConfig } from "../../model_config.ts";

/** What all names begin with. */
export const PREFIX = "encoder.scene_encoder.spunet";
/** Edge of the first convolution's kernel; those of the blocks have 3, of the strided ones 2. */
export const STEM_KERNEL = 5;

/** A convolution: `name`.weight of (outs, kernel, kernel, kernel, ins). */
export interface ConvLayer {
  readonly name: string;
  readonly kernel: number;
  readonly ins: number;
  readonly outs: number;
}

/** A convolution, and the BatchNorm behind it under `norm`. */
export interface ConvNorm extends ConvLayer {
  readonly norm: string;
}

/** Two convolutions and the way around them. */
export interface Block {
  readonly first: ConvNorm;
  readonly second: ConvNorm;
  /** Null: the block's input as it is. */
  readonly projection: ConvNorm | null;
}

/** A stage: its way down or up, and its blocks. */
export interface Stage {
  readonly sample: ConvNorm;
  readonly blocks: readonly Block[];
}

/** The whole. */
export interface SpunetLayers {
  readonly stem: ConvNorm;
  /** From fine to coarse. */
  readonly down: readonly Stage[];
  /** In the same order; they are run from coarse to fine. */
  readonly up: readonly Stage[];
  /** From the last stage's width to the model's; null: they are the same. */
  readonly outputProjection: { readonly name: string; readonly ins: number } | null;
}

function convNorm(name: string, kernel: number, ins: number, outs: number): ConvNorm {
  return { name: `${name}.0`, norm: `${name}.1`, kernel, ins, outs };
}

function blocksOf(name: string, count: number, ins: number, outs: number): Block[] {
  return Array.from({ length: count }, (_, i): Block => {
    const own = `${name}.block${i}`;
    const from = i === 0 ? ins : outs;
    const conv = (n: number, width: number): ConvNorm => ({
      name: `${own}.conv${n}`,
      norm: `${own}.bn${n}`,
      kernel: 3,
      ins: width,
      outs,
    });
    return {
      first: conv(1, from),
      second: conv(2, outs),
      projection: from === outs ? null : convNorm(`${own}.proj`, 1, from, outs),
    };
  });
}

/** The layers of a configuration. */
export function spunetLayers(
  config: ModelConfig & { readonly spunet: SpunetConfig },
): SpunetLayers {
  const { input_feat_dim, output_dim, spunet } = config;
  const { base_channels: base, channels, layers } = spunet;
  const stages = channels.length / 2;
  const widthAbove = (s: number) => s === 0 ? base : channels[s - 1];
  const numbers = Array.from({ length: stages }, (_, s) => s);
  return {
    stem: convNorm(`${PREFIX}.conv_input`, STEM_KERNEL, input_feat_dim, base),
    down: numbers.map((s) => ({
      sample: convNorm(`${PREFIX}.down.${s}`, 2, widthAbove(s), channels[s]),
      blocks: blocksOf(`${PREFIX}.enc.${s}`, layers[s], channels[s], channels[s]),
    })),
    up: numbers.map((s) => {
      const [from, outs] = [channels[2 * stages - s - 2], channels[2 * stages - s - 1]];
      const count = layers[2 * stages - s - 1];
      return {
        sample: convNorm(`${PREFIX}.up.${s}`, 2, from, outs),
        blocks: blocksOf(`${PREFIX}.dec.${s}`, count, outs + widthAbove(s), outs),
      };
    }),
    outputProjection: channels.at(-1) === output_dim
      ? null
      : { name: `${PREFIX}.output_proj`, ins: channels.at(-1)! },
  };
}

/** Normal with deviation 0.02, cut at ±2. */
export function narrowNormal(shape: readonly number[], random: Random): Float32Array {
  const out = random.fillNormal(new Float32Array(shape.reduce((a, b) => a * b, 1)));
  return out.map((value) => Math.min(2, Math.max(-2, 0.02 * value)));
}

/** Uniform in ±1/sqrt(in · kernel³). */
function fanIn({ ins, kernel }: ConvLayer): Initialiser {
  const bound = 1 / Math.sqrt(ins * kernel ** 3);
  return (shape, random) =>
    Float32Array.from(
      { length: shape.reduce((a, b) => a * b, 1) },
      () => random.uniform(-bound, bound),
    );
}

/** All convolutions with their norms, in the order of their names in PyTorch's `state_dict`. */
function convolutions({ stem, down, up }: SpunetLayers): readonly ConvNorm[] {
  const ofStage = ({ sample, blocks }: Stage) => [
    sample,
    ...blocks.flatMap(({ first, second, projection }) => [
      first,
      second,
      ...(projection ? [projection] : []),
    ]),
  ];
  return [stem, ...down.flatMap(ofStage), ...up.flatMap(ofStage)];
}

/** Parameters of the U-Net, and the running statistics of its norms. */
export function spunetParameters(layers: SpunetLayers, outputDim: number): ParameterSpec[] {
  const registry = new ParameterRegistry();
  for (const layer of convolutions(layers)) {
    const { name, norm, kernel, ins, outs } = layer;
    // Strided and inverse convolutions start as PyTorch's do, submanifold ones narrow.
    const initial = kernel === 2 ? fanIn(layer) : narrowNormal;
    registry.declare(`${name}.weight`, [outs, kernel, kernel, kernel, ins], initial);
    declareBatchNorm(registry, norm, outs);
  }
  if (layers.outputProjection) {
    const { name, ins } = layers.outputProjection;
    registry.declare(`${name}.0.weight`, [outputDim, ins], narrowNormal);
    registry.declare(`${name}.0.bias`, [outputDim], constant(0));
    registry.declare(`${name}.1.weight`, [outputDim], constant(1));
    registry.declare(`${name}.1.bias`, [outputDim], constant(0));
  }
  return registry.specs;
}
