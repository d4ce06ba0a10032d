/**
 * Writes the WGSL of straight-line kernels; see `straight_line.ts`. It needs shaders/math.wgsl and
 * count.wgsl before it.
 */

import { blocks, type InputSlots, inputSlots } from "../plan/row_program.ts";
import {
  inBlocks,
  type Phase,
  type PhasePiece,
  POOLED_ROWS,
  type RowLayerShape,
  type StraightLineJob,
  type StraightLinePlan,
  takesBack,
} from "./straight_line.ts";
import {
  poolBlocks,
  poolLines,
  shareLines,
  startBlock,
  startLines,
  sumBlocks,
  SUMMED_COLUMNS,
  TAKES,
} from "./straight_line_lanes.ts";

/** Whether a layer's last input is the slot [1, 0, 0, 0], so that its weights are a bias. */
function bias({ extraFirst, extraCount }: RowLayerShape, { one }: InputSlots): boolean {
  return extraCount > 0 && extraFirst + extraCount - 1 === one;
}

type Binding = readonly [name: string, access: string, type: string];

/** The bindings of a plan's kernel besides `total`, `sheet` and `params`, by name. */
function bindings({ job, shape: { layers, points, fromRegion } }: StraightLinePlan): Binding[] {
  const hidden = layers.slice(0, -1).map((_, i) => i);
  const read = (name: string, type = "vec4f"): Binding => [name, "read", type];
  const written = (name: string, type = "vec4f"): Binding => [name, "read_write", type];
  return [
    read("list", "u32"),
    read("coords", "f32"),
    read("feats", "f32"),
    read("region_of_point", "u32"),
    read("center", "u32"),
    ...(points.placed ? [read("origin", "u32")] : []),
    ...(fromRegion ? [read("start"), read("parent_of_point", "u32")] : []),
    ...(takesBack(job)
      ? [
        read("gradient"),
        written("inputs"),
        ...(job === "reduce" ? [written("norm_sums")] : []),
        ...hidden.flatMap((i) =>
          ["activation", "dz", ...(job === "backward" ? ["normal", "dy"] : [])].map((what) =>
            written(`${what}_${i}`)
          )
        ),
      ]
      : [written("out")]),
    ...(job === "pool"
      ? [read("leaf_here", "u32"), written("pool_value"), written("pool_arg", "vec4u")]
      : []),
  ];
}

const COORDS_OF = `
fn coords_of(point: u32) -> vec3f {
  return vec3f(coords[3u * point], coords[3u * point + 1u], coords[3u * point + 2u]);
}
`;

const IS_NAN = `
fn is_nan(value: f32) -> bool {
  return (bitcast<u32>(value) & 0x7fffffffu) > 0x7f800000u;
}
`;

function header(plan: StraightLinePlan): string {
  const { workgroup, stage, job } = plan;
  const declared = bindings(plan).map(([name, access, type], i) =>
    `@group(0) @binding(${i + 3}) var<storage, ${access}> ${name}: array<${type}>;\n`
  );
  const pools = job === "pool";
  const shares = pools || job === "reduce";
  return `struct Params { chunk_first: u32, chunk_rows: u32, out_first: u32, pool_first: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> total: array<u32>;
@group(0) @binding(2) var<storage, read> sheet: array<mat4x4f>;
${declared.join("")}var<workgroup> stage: array<mat4x4f, ${stage}>;
${IS_NAN}${COORDS_OF}${pools ? TAKES : ""}
@compute @workgroup_size(${workgroup})
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
${shares ? "  @builtin(subgroup_invocation_id) place: u32,\n" : ""}) {
  // Past the end the last row is computed again: no control flow may be open around the loads
  // below.
  let rows = max(rows_here(total[0], params.chunk_first, params.chunk_rows), 1u);
  let own_row = linear_group(group, groups) * ${workgroup}u + lane;
  let row = min(own_row, rows - 1u);
  let point = list[params.chunk_first + row];
`;
}

/** Loads of a phase's weights into the stage. */
function staging({ workgroup }: StraightLinePlan, { at, count }: Phase, first: boolean): string[] {
  const lines = first ? [] : ["workgroupBarrier();"];
  for (let block = 0; block < count; block += workgroup) {
    lines.push(`stage[lane + ${block}u] = sheet[lane + ${at + block}u];`);
  }
  return [...lines, "workgroupBarrier();"];
}

/**
 * The columns of each phase, with the block where its weights begin, and before the first of a
 * phase the loads of them.
 */
function piecesOf(plan: StraightLinePlan): { piece: PhasePiece; at: number; staged: string[] }[] {
  return plan.phases.flatMap((phase, p) =>
    phase.pieces.map((piece, i) => ({
      piece,
      at: phase.at,
      staged: i === 0 ? staging(plan, phase, p === 0) : [],
    }))
  );
}

const sum = (name: string, width: number) =>
  `(${name}.x + ${name}.y + ${name}.z + ${name}.w) / ${width}.0`;

function columnsOf(width: number): number[] {
  return Array.from({ length: blocks(width) }, (_, j) => j);
}

/** A factor that is 0 for the channels of block j past `width`; nothing where there are none. */
function mask(width: number, j: number): string {
  const past = 4 * blocks(width) - width;
  if (past === 0 || j < blocks(width) - 1) return "";
  return ` * vec4f(${[0, 1, 2, 3].map((c) => c < 4 - past ? "1.0" : "0.0").join()})`;
}

/** An input slot of a row. */
function slotOf({ shape: { points } }: StraightLinePlan, slot: number): string {
  return slot === inputSlots(points.features).one ? "vec4f(1.0, 0.0, 0.0, 0.0)" : `x${slot}`;
}

/**
 * LayerNorm of z{i}_0 … over the true channels, then the activation: h{i+1}_0 …; `block` names γ
 * and β of a column block. What is gone back through has its normalised values as n{i}_0 … besides,
 * and stores what the next layer multiplies.
 */
function norm(plan: StraightLinePlan, i: number, epsilon: number, block: (j: number) => string) {
  const { shape: { layers }, job } = plan;
  const { outs, activation } = layers[i];
  const columns = columnsOf(outs);
  const lines = [
    `let s${i} = ${columns.map((j) => `z${i}_${j}`).join(" + ")};`,
    `let m${i} = ${sum(`s${i}`, outs)};`,
    `var v${i} = vec4f();`,
  ];
  for (const j of columns) {
    lines.push(
      `z${i}_${j} = (z${i}_${j} - m${i})${mask(outs, j)};`,
      `v${i} += z${i}_${j} * z${i}_${j};`,
    );
  }
  lines.push(`let r${i} = inverseSqrt(${sum(`v${i}`, outs)} + ${epsilon});`);
  const back = takesBack(job);
  const next = layers[i + 1];
  const [own, after] = [columns.length, inBlocks(next)];
  for (const j of columns) {
    let normal = `z${i}_${j} * r${i}`;
    if (back) {
      lines.push(`let n${i}_${j} = ${normal};`);
      normal = `n${i}_${j}`;
      if (job === "backward") lines.push(`normal_${i}[own_row * ${own}u + ${j}u] = ${normal};`);
    }
    const y = `${normal} * ${block(j)}[0] + ${block(j)}[1]`;
    // max turns NaN into 0. A NaN among a row's values is in r, and one select a row keeps it; one
    // a value, instead of max, took the forward pass a quarter longer.
    const relu = j > 0
      ? `max(${y}, vec4f())`
      : `select(max(${y}, vec4f()), vec4f(r${i}), is_nan(r${i}))`;
    lines.push(`let h${i + 1}_${j} = ${activation === "gelu" ? `gelu4(${y})` : relu};`);
    if (back) lines.push(`activation_${i}[own_row * ${after}u + ${j}u] = h${i + 1}_${j};`);
  }
  for (let e = 0; back && e < next.extraCount; e++) {
    lines.push(
      `activation_${i}[own_row * ${after}u + ${own + e}u] = ${slotOf(plan, next.extraFirst + e)};`,
    );
  }
  return lines;
}

/** Whether 8 lanes are of one region and share its start value. */
function sharesStart(job: StraightLineJob): boolean {
  return job === "pool";
}

/** Some columns of a layer's output z{i}_j, and of the last layer their way out. */
function onwardLines(plan: StraightLinePlan, { layer: i, first, end }: PhasePiece, at: number) {
  const { shape: { layers, points, fromRegion }, layout, job } = plan;
  const layer = layers[i];
  const ins = inBlocks(layer);
  const biased = bias(layer, inputSlots(points.features));
  const shared = sharesStart(job);
  const columns = blocks(layer.outs);
  const lines: string[] = [];
  // One block of columns at a time, and no barriers but those of the staging: what is alive across
  // a barrier is kept in memory for every row of the workgroup. Two blocks at a time are no faster,
  // more barriers cost a quarter.
  for (let j = first; j < end; j++) {
    const block = (k: number) => `stage[${layout.weightsAt[i] + j * ins + k - at}]`;
    const start = i === 0 && fromRegion ? startBlock(j, shared) : "vec4f()";
    lines.push(`var z${i}_${j} = ${biased ? `${block(ins - 1)}[0]` : start};`);
    for (let k = 0; k < ins - (biased ? 1 : 0); k++) {
      const x = k < layer.mainBlocks ? `h${i}_${k}` : `x${layer.extraFirst + k - layer.mainBlocks}`;
      lines.push(`z${i}_${j} += ${block(k)} * ${x};`);
    }
    if (layer.activation) continue;
    if (job === "pool") {
      if (j === 0) lines.push(...poolLines(columns));
      lines.push(`if (leaf) { out[to + ${j}u] = z${i}_${j}; }`);
      const least = j - j % POOLED_ROWS;
      if (j - least < POOLED_ROWS - 1 && j < columns - 1) continue;
      const values = Array.from({ length: j + 1 - least }, (_, b) => `z${i}_${least + b}`);
      lines.push(...poolBlocks(least, values, columns));
    } else {
      lines.push(`if (live) { out[to + ${j}u] = z${i}_${j}; }`);
    }
  }
  return lines;
}

/** From d_0 … of layer i's activations to dz{i}_0 …, of its output before LayerNorm. */
function normBackward(plan: StraightLinePlan, i: number, block: (j: number) => string): string[] {
  const { job, shape } = plan;
  const { layers } = shape;
  const { outs, activation } = layers[i];
  const columns = columnsOf(outs);
  const own = columns.length;
  const lines = [`var hs${i} = vec4f();`, `var hx${i} = vec4f();`];
  for (const j of columns) {
    lines.push(
      `let y${i}_${j} = n${i}_${j} * ${block(j)}[0] + ${block(j)}[1];`,
      activation === "gelu"
        ? `d${i}_${j} *= gelu_slope4(y${i}_${j});`
        : `d${i}_${j} = select(vec4f(), d${i}_${j}, y${i}_${j} > vec4f());`,
    );
    if (job === "backward") lines.push(`dy_${i}[own_row * ${own}u + ${j}u] = d${i}_${j};`);
    else {
      lines.push(
        `let e${i}_${j} = select(vec4f(), d${i}_${j}, live);`,
        `let f${i}_${j} = e${i}_${j} * n${i}_${j};`,
      );
      const first = j - j % SUMMED_COLUMNS;
      if (j - first === SUMMED_COLUMNS - 1 || j === own - 1) {
        lines.push(...sumBlocks(shape, i, first));
      }
    }
    lines.push(
      `d${i}_${j} *= ${block(j)}[0];`,
      `hs${i} += d${i}_${j};`,
      `hx${i} += d${i}_${j} * n${i}_${j};`,
    );
  }
  lines.push(
    `let a${i} = ${sum(`hs${i}`, outs)};`,
    `let b${i} = ${sum(`hx${i}`, outs)};`,
  );
  for (const j of columns) {
    lines.push(
      `let g${i}_${j} = r${i} * (d${i}_${j} - a${i} - n${i}_${j} * b${i})${mask(outs, j)};`,
      `dz_${i}[own_row * ${own}u + ${j}u] = g${i}_${j};`,
    );
  }
  return lines;
}

/** Some columns of the gradient d{i−1}_k of a layer's input. */
function backLines(plan: StraightLinePlan, { layer: i, first, end }: PhasePiece, at: number) {
  const { shape: { layers }, layout } = plan;
  const ins = blocks(layers[i].outs);
  const lines: string[] = [];
  for (let k = first; k < end; k++) {
    lines.push(`var d${i - 1}_${k} = vec4f();`);
    for (let j = 0; j < ins; j++) {
      const block = `stage[${layout.transposedAt[i] + k * ins + j - at}]`;
      lines.push(`d${i - 1}_${k} += ${block} * g${i}_${j};`);
    }
  }
  return lines;
}

/**
 * The input slots of a row that its layers read, as shaders/model/fused/rows/row_inputs.wgsl makes
 * them.
 */
function inputLines({ shape: { layers, points }, job }: StraightLinePlan): string[] {
  const slots = inputSlots(points.features);
  const used = (slot: number) =>
    layers.some(({ extraFirst, extraCount }) =>
      extraFirst <= slot && slot < extraFirst + extraCount
    );
  const lines = [`let here = coords_of(point);`];
  if (used(slots.coords)) {
    const from = points.placed ? " - coords_of(origin[point])" : "";
    lines.push(`let x${slots.coords} = vec4f(here${from}, 0.0);`);
  }
  if (used(slots.offset)) {
    const center = "coords_of(center[region_of_point[point]])";
    lines.push(`let x${slots.offset} = vec4f(here - ${center}, 1.0);`);
  }
  for (let s = 0; s < slots.featureCount; s++) {
    const values = [0, 1, 2, 3].map((c) => {
      const feature = 4 * s + c;
      if (feature >= points.features) return feature === points.features ? "1.0" : "0.0";
      return `feats[point * ${points.features}u + ${feature}u]`;
    });
    lines.push(`let x${slots.features + s} = vec4f(${values.join(", ")});`);
  }
  if (takesBack(job)) {
    const { extraFirst, extraCount } = layers[0];
    for (let e = 0; e < extraCount; e++) {
      lines.push(`inputs[own_row * ${extraCount}u + ${e}u] = x${extraFirst + e};`);
    }
  }
  return lines;
}

/** What a row loads before it computes. */
function rowLines(plan: StraightLinePlan): string[] {
  const { shape: { layers, fromRegion }, job } = plan;
  const lines = inputLines(plan);
  if (fromRegion) lines.push(...startLines(blocks(layers[0].outs), sharesStart(job)));
  if (!takesBack(job)) {
    lines.push(`let to = (point - params.out_first) * ${blocks(layers.at(-1)!.outs)}u;`);
  }
  // Lanes past the last row compute it again; it counts once.
  if (job === "forward") lines.push(`let live = own_row < rows;`);
  if (job === "reduce") lines.push(...shareLines(), `let live = vec4<bool>(own_row < rows);`);
  return lines;
}

/** The gradient of the last layer's output, loaded where it is needed first. */
function gradientLines({ shape: { layers } }: StraightLinePlan): string[] {
  const last = layers.length - 1;
  const columns = columnsOf(layers[last].outs);
  return columns.map((j) => `let g${last}_${j} = gradient[row * ${columns.length}u + ${j}u];`);
}

function bodyLines(plan: StraightLinePlan, epsilon: number): string[] {
  const { shape: { layers }, layout } = plan;
  const lines = rowLines(plan);
  for (const { piece, at, staged } of piecesOf(plan)) {
    const { layer: i, back, first, end } = piece;
    lines.push(...staged);
    if (back) {
      if (i === layers.length - 1 && first === 0) lines.push(...gradientLines(plan));
      lines.push(...backLines(plan, piece, at));
      if (end === layers[i].gradientBlocks) {
        lines.push(
          ...normBackward(plan, i - 1, (j) => `stage[${layout.normBeforeAt[i] + j - at}]`),
        );
      }
    } else {
      lines.push(...onwardLines(plan, piece, at));
      if (layers[i].activation && end === blocks(layers[i].outs)) {
        lines.push(...norm(plan, i, epsilon, (j) => `stage[${layout.normAt[i] + j - at}]`));
      }
    }
  }
  return lines;
}

/** The kernel's WGSL. */
export function straightLineWgsl(plan: StraightLinePlan, epsilon: number): string {
  return `${header(plan)}  ${bodyLines(plan, epsilon).join("\n  ")}\n}\n`;
}
