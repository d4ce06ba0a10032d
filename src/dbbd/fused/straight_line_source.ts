/** Writes the WGSL of straight-line kernels; see `straight_line.ts`. It needs shaders/math.wgsl and count.wgsl before it. */

import { blocks } from "./row_program.ts";
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
function bias({ extraFirst, extraCount }: RowLayerShape, slots: number): boolean {
  return extraCount > 0 && extraFirst + extraCount === slots;
}

/** Whether a kernel makes rows' results. */
function makesResults(job: StraightLineJob): boolean {
  return job === "forward" || job === "pool";
}

type Binding = [name: string, access: string, type: string];

/** The bindings of a plan's kernel besides `total`, `sheet` and `params`, by name. */
function bindings(
  { job, shape }: StraightLinePlan,
): [name: string, access: string, type: string][] {
  const hidden = shape.layers.slice(0, -1).map((_, i) => i);
  if (takesBack(job)) {
    return [
      ["gradient", "read", "vec4f"],
      ["rstd", "read", "f32"],
      ...(job === "reduce" ? [["norm_sums", "read_write", "vec4f"]] as Binding[] : []),
      ...hidden.flatMap((i): Binding[] => [
        [`normal_${i}`, "read", "vec4f"],
        ...(job === "backward" ? [[`dy_${i}`, "read_write", "vec4f"]] as Binding[] : []),
        [`dz_${i}`, "read_write", "vec4f"],
      ]),
    ];
  }
  const listed: [string, string, string][] = makesResults(job) || shape.fromRegion
    ? [["list", "read", "u32"]]
    : [];
  return [
    ...listed,
    ["inputs", "read", "vec4f"],
    ...(shape.fromRegion
      ? [["start", "read", "vec4f"], ["region_of_point", "read", "u32"]] as [
        string,
        string,
        string,
      ][]
      : []),
    ...(job === "pool"
      ? [
        ["leaf_here", "read", "u32"],
        ["pool_value", "read_write", "vec4f"],
        ["pool_arg", "read_write", "vec4u"],
      ] as [string, string, string][]
      : []),
    ...(makesResults(job) ? [["out", "read_write", "vec4f"]] as [string, string, string][] : [
      ["rstd", "read_write", "f32"],
      ...hidden.flatMap((i): [string, string, string][] => [
        [`normal_${i}`, "read_write", "vec4f"],
        [`activation_${i}`, "read_write", "vec4f"],
      ]),
    ] as [string, string, string][]),
  ];
}

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
${IS_NAN}${pools ? TAKES : ""}
@compute @workgroup_size(${workgroup})
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
${shares ? "  @builtin(subgroup_invocation_id) place: u32,\n" : ""}) {
  // Past the end the last row is computed again: no control flow may be open around the loads below.
  let rows = max(rows_here(total[0], params.chunk_first, params.chunk_rows), 1u);
  let own_row = linear_group(group, groups) * ${workgroup}u + lane;
  let row = min(own_row, rows - 1u);
${
    makesResults(job) || plan.shape.fromRegion && job === "keep"
      ? "  let point = list[params.chunk_first + row];\n"
      : ""
  }`;
}

/** Loads of a phase's weights into the stage. */
function staging({ workgroup }: StraightLinePlan, { at, count }: Phase, first: boolean): string[] {
  const lines = first ? [] : ["workgroupBarrier();"];
  for (let block = 0; block < count; block += workgroup) {
    lines.push(`stage[lane + ${block}u] = sheet[lane + ${at + block}u];`);
  }
  return [...lines, "workgroupBarrier();"];
}

/** The columns of each phase, with the block where its weights begin, and before the first of a phase the loads of them. */
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

/** LayerNorm of z{i}_0 … over the true channels, then the activation: h{i+1}_0 …; `block` names γ and β of a column block. */
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
  const keep = job === "keep";
  const next = layers[i + 1];
  const [own, after] = [columns.length, inBlocks(next)];
  if (keep) lines.push(`rstd[row * ${layers.length - 1}u + ${i}u] = r${i};`);
  for (const j of columns) {
    if (keep) lines.push(`normal_${i}[row * ${own}u + ${j}u] = z${i}_${j} * r${i};`);
    const y = `z${i}_${j} * r${i} * ${block(j)}[0] + ${block(j)}[1]`;
    // max turns NaN into 0. A NaN among a row's values is in r, and one select a row keeps it; one a value, instead of max,
    // took the forward pass a quarter longer.
    const relu = j > 0
      ? `max(${y}, vec4f())`
      : `select(max(${y}, vec4f()), vec4f(r${i}), is_nan(r${i}))`;
    lines.push(`let h${i + 1}_${j} = ${activation === "gelu" ? `gelu4(${y})` : relu};`);
    if (keep) lines.push(`activation_${i}[row * ${after}u + ${j}u] = h${i + 1}_${j};`);
  }
  for (let e = 0; keep && e < next.extraCount; e++) {
    const slot = next.extraFirst + e;
    const value = slot === plan.shape.slots - 1 ? "vec4f(1.0, 0.0, 0.0, 0.0)" : `x${slot}`;
    lines.push(`activation_${i}[row * ${after}u + ${own + e}u] = ${value};`);
  }
  return lines;
}

function forwardLines(plan: StraightLinePlan, epsilon: number): string[] {
  const { shape: { layers, slots, fromRegion }, layout, job } = plan;
  const lines: string[] = [];
  for (let s = 0; s + 1 < slots; s++) lines.push(`let x${s} = inputs[row * ${slots}u + ${s}u];`);
  const columns = layers.map((layer) => blocks(layer.outs));
  if (fromRegion) lines.push(...startLines(columns[0], job === "pool"));
  if (makesResults(job)) lines.push(`let to = (point - params.out_first) * ${columns.at(-1)}u;`);
  for (const { piece, at, staged } of piecesOf(plan)) {
    const { layer: i } = piece;
    const layer = layers[i];
    const ins = inBlocks(layer);
    lines.push(...staged);
    const biased = bias(layer, slots);
    // One block of columns at a time, and no barriers but those of the staging: what is alive across a barrier is kept
    // in memory for every row of the workgroup. Two blocks at a time cost a tenth, more barriers a quarter.
    for (let j = piece.first; j < piece.end; j++) {
      const block = (k: number) => `stage[${layout.weightsAt[i] + j * ins + k - at}]`;
      const start = i === 0 && fromRegion ? startBlock(j, job === "pool") : "vec4f()";
      lines.push(`var z${i}_${j} = ${biased ? `${block(ins - 1)}[0]` : start};`);
      for (let k = 0; k < ins - (biased ? 1 : 0); k++) {
        const x = k < layer.mainBlocks
          ? `h${i}_${k}`
          : `x${layer.extraFirst + k - layer.mainBlocks}`;
        lines.push(`z${i}_${j} += ${block(k)} * ${x};`);
      }
      if (layer.activation) continue;
      if (job === "pool") {
        if (j === 0) lines.push(...poolLines(columns[i]));
        lines.push(`if (leaf) { out[to + ${j}u] = z${i}_${j}; }`);
        const first = j - j % POOLED_ROWS;
        if (j - first < POOLED_ROWS - 1 && j < columns[i] - 1) continue;
        const values = Array.from({ length: j + 1 - first }, (_, b) => `z${i}_${first + b}`);
        lines.push(...poolBlocks(first, values, columns[i]));
      } else {
        lines.push(`out[to + ${j}u] = z${i}_${j};`);
      }
    }
    if (layer.activation && piece.end === columns[i]) {
      lines.push(...norm(plan, i, epsilon, (j) => `stage[${layout.normAt[i] + j - at}]`));
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
      `let n${i}_${j} = normal_${i}[row * ${own}u + ${j}u];`,
      `let y${i}_${j} = n${i}_${j} * ${block(j)}[0] + ${block(j)}[1];`,
      activation === "gelu"
        ? `d${i}_${j} *= gelu_slope4(y${i}_${j});`
        : `d${i}_${j} = select(vec4f(), d${i}_${j}, y${i}_${j} > vec4f());`,
    );
    if (job === "backward") lines.push(`dy_${i}[row * ${own}u + ${j}u] = d${i}_${j};`);
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
    `let r${i} = rstd[row * ${layers.length - 1}u + ${i}u];`,
  );
  for (const j of columns) {
    lines.push(
      `let g${i}_${j} = r${i} * (d${i}_${j} - a${i} - n${i}_${j} * b${i})${mask(outs, j)};`,
      `dz_${i}[row * ${own}u + ${j}u] = g${i}_${j};`,
    );
  }
  return lines;
}

function backwardLines(plan: StraightLinePlan): string[] {
  const { shape: { layers }, layout, job } = plan;
  const last = layers.length - 1;
  const lines = columnsOf(layers[last].outs).map((j) =>
    `let g${last}_${j} = gradient[row * ${blocks(layers[last].outs)}u + ${j}u];`
  );
  // Lanes past the last row compute it again; it counts once.
  if (job === "reduce") lines.push(...shareLines(), `let live = vec4<bool>(own_row < rows);`);
  for (const { piece, at, staged } of piecesOf(plan)) {
    const { layer: i } = piece;
    const ins = blocks(layers[i].outs);
    lines.push(...staged);
    for (let k = piece.first; k < piece.end; k++) {
      lines.push(`var d${i - 1}_${k} = vec4f();`);
      for (let j = 0; j < ins; j++) {
        const block = `stage[${layout.transposedAt[i] + k * ins + j - at}]`;
        lines.push(`d${i - 1}_${k} += ${block} * g${i}_${j};`);
      }
    }
    if (piece.end === layers[i].gradientBlocks) {
      lines.push(
        ...normBackward(plan, i - 1, (j) => `stage[${layout.normBeforeAt[i] + j - at}]`),
      );
    }
  }
  return lines;
}

/** The kernel's WGSL. */
export function straightLineWgsl(plan: StraightLinePlan, epsilon: number): string {
  const lines = takesBack(plan.job) ? backwardLines(plan) : forwardLines(plan, epsilon);
  return `${header(plan)}  ${lines.join("\n  ")}\n}\n`;
}
