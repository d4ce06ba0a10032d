/**
 * Points drawn for the point loss. Their gradient is not carried back to all points: the encodings' backward passes, which come
 * later, ask for it here and add it to the rows that they recompute anyway.
 */

import {
  add,
  type BackwardPass,
  gatherRows,
  NO_ROW,
  noGrad,
  record,
  type RowIndex,
  rowIndex,
  type Tensor,
  tensor,
  VISIT,
} from "../../tensor/mod.ts";

/** Points that were drawn once, each once. */
export interface SampledPoints {
  /** Points, as drawn. */
  readonly drawn: Uint32Array;
  /** The same on the device. */
  readonly points: Tensor;
  /** (N) which draw each point is; none for the others. */
  readonly drawOfPoint: Tensor;
}

/** Points whose features have gradient in a backward pass, and that gradient, (draws, 4 · blocks). */
export interface SampledGradient extends SampledPoints {
  readonly gradient: Tensor;
}

/** What a branch keeps of the draws from its points. */
export interface SampledBranch {
  /** (N, 4 · blocks) */
  readonly points: Tensor;
  /** All draws so far. */
  readonly samples: SampledPoints[];
}

interface PassGradients {
  readonly bySample: Map<SampledPoints, Tensor>;
  /** All of them as one, made when first asked for. */
  joined?: SampledGradient;
}

/** What a branch's draws have of gradient in a pass. */
function gradientsOf(branch: SampledBranch, pass: BackwardPass): PassGradients {
  return pass.state(branch, () => ({ bySample: new Map() }));
}

function makeSample(
  { points }: SampledBranch,
  drawn: Uint32Array,
  onDevice: Tensor | null,
): SampledPoints {
  const { device, rows } = points;
  const drawOfPoint = new Uint32Array(rows).fill(NO_ROW);
  drawn.forEach((point, draw) => drawOfPoint[point] = draw);
  return {
    drawn,
    points: onDevice ?? tensor(device, drawn),
    drawOfPoint: tensor(device, drawOfPoint),
  };
}

/** The points of a draw, each once, ascending; null: they are so already, in whatever order. */
function distinct(drawn: Uint32Array, points: number): Uint32Array | null {
  const seen = new Uint8Array(points);
  let count = 0;
  for (const point of drawn) {
    if (point === NO_ROW || seen[point] === 1) continue;
    seen[point] = 1;
    count++;
  }
  if (count === drawn.length) return null;
  const list = new Uint32Array(count);
  for (let point = 0, at = 0; point < points; point++) if (seen[point] === 1) list[at++] = point;
  return list;
}

/**
 * Features of drawn points: (draws, 4 · blocks).
 * @param encoded the encodings that the features come from
 * @param rows the draws, a point once or often; null: all points
 */
export function samplePoints(
  branch: SampledBranch,
  encoded: readonly Tensor[],
  rows: RowIndex | null,
): Tensor {
  const { points } = branch;
  const { device } = points;
  const once = rows && distinct(rows.source, points.rows);
  if (rows && once) {
    // Points that repeat are drawn once here, and their gradients added up by the operation that repeats them.
    const place = new Uint32Array(points.rows).fill(NO_ROW);
    once.forEach((point, draw) => place[point] = draw);
    const repeat = rows.source.map((point) => point === NO_ROW ? NO_ROW : place[point]);
    const each = samplePoints(branch, encoded, rowIndex(device, once, points.rows));
    return gatherRows(each, rowIndex(device, repeat, once.length));
  }
  const drawn = rows?.source ?? Uint32Array.from({ length: points.rows }, (_, p) => p);
  const sample = makeSample(branch, drawn, rows?.index ?? null);
  branch.samples.push(sample);
  let out: Tensor;
  {
    using _ = noGrad(device);
    out = rows ? gatherRows(points, rows) : points.detach();
  }
  return record("samplePoints", out, encoded, (gradient, pass) => {
    gradientsOf(branch, pass).bySample.set(sample, gradient);
    return encoded.map(() => VISIT);
  });
}

/** The gradient of all points that were drawn, in this pass; null: none has any. */
export function sampledGradient(branch: SampledBranch, pass: BackwardPass): SampledGradient | null {
  const state = gradientsOf(branch, pass);
  const all = branch.samples.filter((sample) => state.bySample.has(sample));
  if (all.length === 0) return null;
  return state.joined ??= all.length === 1
    ? { ...all[0], gradient: state.bySample.get(all[0])! }
    : join(branch, all, state.bySample);
}

/** Several draws as one of all their points, with the sums of their gradients. */
function join(
  branch: SampledBranch,
  all: readonly SampledPoints[],
  gradients: ReadonlyMap<SampledPoints, Tensor>,
): SampledGradient {
  const { device, rows } = branch.points;
  const marked = new Uint8Array(rows);
  for (const { drawn } of all) for (const point of drawn) marked[point] = 1;
  const points = Uint32Array.from(marked.keys()).filter((point) => marked[point] === 1);
  const sums = all.map((sample) => {
    const drawOf = new Uint32Array(rows).fill(NO_ROW);
    sample.drawn.forEach((point, draw) => drawOf[point] = draw);
    const index = points.map((point) => drawOf[point]);
    return gatherRows(gradients.get(sample)!, rowIndex(device, index, sample.drawn.length));
  });
  return { ...makeSample(branch, points, null), gradient: sums.reduce((a, b) => add(a, b)) };
}
