/** Kernels alone, at a size where their own speed is what is seen. */

import { Random } from "../src/base/random.ts";
import { variantPolicy } from "../src/model/fused/plan/variants.ts";
import type { FusedStep, ProgramRun } from "../src/model/fused/weights/fused_step.ts";
import type { ProgramSums } from "../src/model/fused/weights/step_gradients.ts";
import { ProgramWeights } from "../src/model/fused/weights/program_weights.ts";
import { networks } from "../src/model/networks.ts";
import { fusedInfoNCE } from "../src/model/fused/contrast/info_nce.ts";
import { RowChunk, rowLinear, type RowSource } from "../src/model/fused/loops/row_kernels.ts";
import { backwardRows, hiddenRows } from "../src/model/fused/loops/row_layers.ts";
import { blocks } from "../src/model/fused/plan/row_program.ts";
import { POOLED_ROWS } from "../src/model/fused/straight_line/straight_line.ts";
import {
  runStraightLine,
  runStraightLineBackward,
} from "../src/model/fused/straight_line/straight_line_rows.ts";
import { modelParameters } from "../src/model/model.ts";
import type { Device } from "../src/gpu/device.ts";
import { ParameterSet } from "../src/nn/parameters.ts";
import {
  BackwardPass,
  empty,
  segmentsOfLengths,
  type Tensor,
  tensor,
  zeros,
} from "../src/tensor/mod.ts";
import { largestOfSegments } from "../src/tensor/ops/segments.ts";
import type { TrainingConfig } from "../src/run/config.ts";
import { timedDispatches } from "./profile.ts";
import { duration, figures, percent, spread, type Table, timed } from "./support.ts";

/** A kernel's speed. */
export interface KernelSpeed {
  readonly name: string;
  readonly size: string;
  readonly ms: number;
  /** Operations or bytes in a second, in 10⁹. */
  readonly rate: number;
  readonly unit: "GFLOP/s" | "GB/s";
}

/** Dispatches of a piece of work that are told apart, by the beginning of their kernels' names. */
interface Part {
  readonly kernels: readonly string[];
  readonly title: string;
  /** Multiply-adds, or bytes that have to be read or written. */
  readonly amount: number;
  readonly unit: KernelSpeed["unit"];
}

interface Piece {
  readonly size: string;
  readonly parts: readonly Part[];
  run(): void;
}

/** Rows of the row kernels: a chunk of a batch of 100,000 points. */
const ROWS = 25_600;
const RUN_ROWS = 25;
const CONTRASTED = [512, 4096];

function random(device: Device, rows: number, cols: number, requiresGrad = false): Tensor {
  const draw = new Random(1, "kernel", rows, cols);
  const values = Float32Array.from({ length: rows * cols }, () => draw.uniform() - 0.5);
  return tensor(device, values, [rows, cols], { requiresGrad });
}

/** One program's weights, and rows for it. */
interface RowWork {
  readonly device: Device;
  readonly raw: ProgramRun;
  readonly size: string;
  readonly inputs: Tensor;
  readonly gradient: Tensor;
  readonly weightGradient: Part;
  readonly chunk: () => RowChunk;
}

const flops = (amount: number): Pick<Part, "amount" | "unit"> => ({ amount, unit: "GFLOP/s" });

/** Multiply-adds of each layer of a program for a row, in blocks of four. */
function paddedLayers({ program }: ProgramRun): number[] {
  return program.layers.map(({ outs, inBlocks }) => 16 * blocks(outs) * inBlocks);
}

const total = (amounts: readonly number[]): number => amounts.reduce((sum, own) => sum + own, 0);

/** Linear layers of one program on rows: in loops, and as straight-line code where that is offered. */
function rowPieces(device: Device, { encoder: { raw } }: FusedStep): Piece[] {
  const { layers, slots } = raw.program;
  const work: RowWork = {
    device,
    raw,
    size: `${ROWS.toLocaleString("en")} rows`,
    inputs: random(device, ROWS, 4 * slots),
    gradient: random(device, ROWS, 4 * blocks(layers.at(-1)!.outs)),
    weightGradient: {
      kernels: ["row_weight_gradient"],
      title: "weight gradients",
      ...flops(total(paddedLayers(raw)) * ROWS),
    },
    chunk: () => new RowChunk(device, null, 0, ROWS),
  };
  // Made here, outside the runs' scopes, for all of them.
  raw.expect(ROWS);
  const sums = raw.sums(new BackwardPass());
  return [lastLayerPiece(work), loopsPiece(work, sums), ...straightLinePieces(work, sums)];
}

function lastLayerPiece({ device, raw, size, chunk }: RowWork): Piece {
  const last = raw.program.layers.length - 1;
  const { inBlocks, outs } = raw.program.layers[last];
  const wide = random(device, ROWS, 4 * inBlocks);
  return {
    size: `${size}, ${4 * inBlocks} → ${outs}`,
    parts: [{
      kernels: ["row_linear"],
      title: "linear layer in loops",
      ...flops(paddedLayers(raw)[last] * ROWS),
    }],
    run: () =>
      void rowLinear(chunk(), { values: wide, first: 0, stride: inBlocks }, raw.weights(last)),
  };
}

function loopsPiece(
  { device, raw, size, inputs, gradient, weightGradient, chunk }: RowWork,
  sums: ProgramSums,
): Piece {
  const hidden = total(paddedLayers(raw).slice(0, -1));
  const toInputs = total(raw.program.layers.map((l) => 16 * blocks(l.outs) * l.gradientBlocks));
  return {
    size,
    parts: [{
      kernels: ["row_linear"],
      title: "layers again and input gradients, in loops",
      ...flops((hidden + toInputs) * ROWS),
    }, weightGradient],
    run: () => {
      const rows = chunk();
      const kept = hiddenRows(raw, rows, inputs, null);
      const own = empty(device, gradient.shape);
      device.copy(gradient.slice, own.slice);
      backwardRows(raw, sums, rows, inputs, kept, own);
    },
  };
}

function straightLinePieces(
  { device, raw, size, gradient, weightGradient, chunk }: RowWork,
  sums: ProgramSums,
): Piece[] {
  const { program } = raw;
  // As a long training computes them.
  const { forward, backward } = variantPolicy(device, { steps: Infinity }, 0)
    .plans(program, ROWS, true);
  const of = (...values: number[]) => tensor(device, Uint32Array.from(values));
  const source: RowSource = {
    list: of(...Array(ROWS).keys()),
    coords: random(device, ROWS, 3),
    feats: random(device, ROWS, program.points!.features),
    regionOfPoint: of(...Array(ROWS).fill(0)),
    centers: of(0),
    origin: null,
  };
  const pieces: Piece[] = [];
  if (forward) {
    const pools = forward.job === "pool";
    const out = random(device, ROWS, gradient.cols);
    const maxima = () => empty(device, [ROWS / POOLED_ROWS, gradient.cols]).slice;
    const pool = pools
      ? { leafHere: zeros(device, [ROWS]), value: maxima(), arg: maxima(), first: 0 }
      : null;
    pieces.push({
      size,
      parts: [{
        kernels: ["straight_line"],
        title: `straight-line forward${pools ? ", maxima of 8 rows" : ""}`,
        ...flops(forward.multiplyAdds * ROWS),
      }],
      run: () =>
        runStraightLine(forward, raw, chunk(), source, null, { out: out.slice, first: 0 }, pool),
    });
  }
  if (backward) {
    pieces.push({
      size,
      parts: [
        {
          kernels: [`straight_line ${backward.job}`],
          title: "straight-line, layers again and input gradients",
          ...flops(backward.multiplyAdds * ROWS),
        },
        weightGradient,
      ],
      run: () => void runStraightLineBackward(backward, raw, sums, chunk(), source, null, gradient),
    });
  }
  return pieces;
}

function contrastPiece(device: Device, config: TrainingConfig, n: number): Piece {
  const cols = config.projection_dim;
  const rows = random(device, n, cols, true);
  const product = { amount: n * n * cols, unit: "GFLOP/s" as const };
  return {
    size: `${n.toLocaleString("en")} × ${n.toLocaleString("en")}, ${cols} wide`,
    parts: [
      { kernels: ["nce_similarity"], title: "InfoNCE, similarities", ...product },
      {
        // Rows of many columns have both from one kernel.
        kernels: ["nce_query_gradient", "nce_key_gradient"],
        title: "InfoNCE, both gradients",
        ...product,
        amount: 2 * product.amount,
      },
    ],
    run: () => void fusedInfoNCE(rows, rows, config.temperature),
  };
}

function poolPiece(device: Device, config: TrainingConfig): Piece {
  const cols = config.output_dim;
  const rows = 4 * ROWS;
  const x = random(device, rows, cols);
  const segments = segmentsOfLengths(device, Array(rows / RUN_ROWS).fill(RUN_ROWS));
  return {
    size: `${rows.toLocaleString("en")} rows, ${cols} wide, ${RUN_ROWS} a region`,
    // All rows are read; a value and its place are written for each region and channel.
    parts: [{
      kernels: ["segment_max"],
      title: "max pooling",
      amount: 4 * cols * (rows + 2 * segments.count),
      unit: "GB/s",
    }],
    run: () => void largestOfSegments(x, segments),
  };
}

/** Segments that a time is the median of, after two to warm up. */
const RUNS = 7;

async function speeds(
  device: Device,
  { size, parts, run }: Piece,
  tickMs: number | null,
): Promise<KernelSpeed[]> {
  const times: number[][] = [];
  for (let i = -2; i < RUNS; i++) {
    using _ = device.scope();
    let own: number[];
    if (tickMs === null) {
      own = [await timed(device, run)];
    } else {
      const dispatches = await timedDispatches(device, tickMs, run);
      own = parts.map((part) =>
        dispatches.reduce(
          (sum, { kernel, ms }) =>
            part.kernels.some((name) => kernel.startsWith(name)) ? sum + ms : sum,
          0,
        )
      );
    }
    if (i >= 0) times.push(own);
  }
  const whole = {
    title: parts.map(({ title }) => title).join("; "),
    amount: parts.reduce((sum, { amount }) => sum + amount, 0),
    unit: parts[0].unit,
  };
  // Without timestamps the parts are known together alone.
  return (tickMs === null ? [whole] : parts).map(({ title, amount, unit }, p) => {
    const ms = spread(times.map((own) => own[p])).median;
    const operations = unit === "GFLOP/s" ? 2 * amount : amount;
    return { name: title, size, ms, rate: operations / ms / 1e6, unit };
  });
}

/**
 * Measure the kernels of a configuration alone. On the software device, straight-line code is
 * compiled first.
 */
export async function kernelsAlone(
  device: Device,
  config: TrainingConfig,
  tickMs: number | null,
): Promise<KernelSpeed[]> {
  using _ = device.scope();
  using parameters = new ParameterSet(device, modelParameters(config));
  parameters.initialise(1);
  using weights = new ProgramWeights(networks(config), {}, parameters);
  const pieces = [
    ...rowPieces(device, weights.fetch()),
    ...CONTRASTED.map((n) => contrastPiece(device, config, n)),
    poolPiece(device, config),
  ];
  const all: KernelSpeed[] = [];
  for (const piece of pieces) all.push(...await speeds(device, piece, tickMs));
  return all;
}

/** The table of kernels alone. */
export function speedTable(kernels: readonly KernelSpeed[], peakGflops: number): Table {
  return [
    ["kernel alone", "size", "time", "rate", "share of the peak"],
    ...kernels.map(({ name, size, ms, rate, unit }) => [
      name,
      size,
      duration(ms),
      `${figures(rate)} ${unit}`,
      unit === "GFLOP/s" ? percent(rate / peakGflops) : "–",
    ]),
  ];
}
