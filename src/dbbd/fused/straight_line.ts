/**
 * Generates the whole row program as one kernel of straight-line WGSL: one row a lane, weights staged phase by phase
 * through workgroup memory and read at literal indices.
 *
 * Made for the software device (Mesa's lavapipe), where it is several times faster than loops: a load is one load and
 * a broadcast only where its address is a constant and no control flow is open. So there is no `if`, no loop and no
 * early return here: lanes past the last row compute the last row again and store the same values to the same place.
 * The price is compile time, about 0.2 ms a multiply-add in the source; `families.ts` weighs it.
 */

import type { RowProgram } from "./row_program.ts";

/** What the generated source depends on. */
export interface RowShape {
  readonly layers: readonly RowLayerShape[];
  /** Input slots of a row, the last of them [1, 0, 0, 0]. */
  readonly slots: number;
  /** Whether the first layer starts from a value of the row's region. */
  readonly fromRegion: boolean;
}

/** One linear layer, and LayerNorm and activation behind it; see `RowLayer`. */
export interface RowLayerShape {
  readonly outs: number;
  readonly mainBlocks: number;
  readonly extraFirst: number;
  readonly extraCount: number;
  /** Null for the last layer. */
  readonly activation: "relu" | "gelu" | null;
}

/** The shape of a program. */
export function rowShape({ layers, slots, fromRegion }: RowProgram): RowShape {
  return {
    layers: layers.map(({ outs, mainBlocks, extraFirst, extraCount, norm }) => ({
      outs,
      mainBlocks,
      extraFirst,
      extraCount,
      activation: norm && (norm.gelu ? "gelu" : "relu"),
    })),
    slots: slots.count,
    fromRegion,
  };
}

/** What the device allows. */
export interface StraightLineLimits {
  /** Bytes of workgroup memory. */
  readonly workgroupBytes: number;
  readonly invocations: number;
}

/** Weights that lie in workgroup memory together: some columns of a layer, and with its last ones γ and β. */
interface Phase {
  readonly layer: number;
  /** Blocks of output columns. */
  readonly first: number;
  readonly end: number;
  /** First 4 × 4 block in the sheet, and how many. */
  readonly at: number;
  readonly count: number;
}

/** Where each weight lies in the sheet (all weights one after the other, in 4 × 4 blocks), and when it is staged. */
export interface StraightLinePlan {
  readonly shape: RowShape;
  /** Rows of a workgroup. */
  readonly workgroup: number;
  /** 4 × 4 blocks of workgroup memory. */
  readonly stage: number;
  /** For each layer, its first block in the sheet. */
  readonly weightsAt: readonly number[];
  /** For each layer, the first block of γ and β (columns 0 and 1 of a block); unused for the last. */
  readonly normAt: readonly number[];
  /** 4 × 4 blocks of the sheet, with room for the last load to read past what is used. */
  readonly sheet: number;
  readonly phases: readonly Phase[];
  readonly multiplyAdds: number;
}

/** Invocations of a workgroup: the more, the more rows share the staging of the weights. */
const WORKGROUP = 512;
const BLOCK_BYTES = 64;
/** Beginnings of weights in the sheet are aligned to so many blocks, for they are bound as offsets. */
const ALIGN = 256 / BLOCK_BYTES;
/** Past these a program is not offered: half a minute of compiling, 4 MiB of private memory a workgroup. */
const LARGEST = { multiplyAdds: 150_000, values: 2048 } as const;
function blocks(width: number): number {
  return Math.ceil(width / 4);
}

function inBlocks({ mainBlocks, extraCount }: RowLayerShape): number {
  return mainBlocks + extraCount;
}

/** Whether a layer's last input is the slot [1, 0, 0, 0], so that its weights are a bias. */
function bias({ extraFirst, extraCount }: RowLayerShape, slots: number): boolean {
  return extraCount > 0 && extraFirst + extraCount === slots;
}

/** Plan a program's kernel, or say why there is none. */
export function planStraightLine(
  shape: RowShape,
  limits: StraightLineLimits,
): StraightLinePlan | string {
  const { layers } = shape;
  const multiplyAdds = layers.reduce((sum, l) => sum + 16 * blocks(l.outs) * inBlocks(l), 0);
  if (multiplyAdds > LARGEST.multiplyAdds) {
    return `${multiplyAdds} multiply-adds a row are too many to compile`;
  }
  const values = 4 * Math.max(...layers.map((layer) => blocks(layer.outs) + inBlocks(layer)));
  if (values > LARGEST.values) return `${values} values of a row at once are too many`;
  const memory = Math.floor(limits.workgroupBytes / BLOCK_BYTES);
  const workgroup = Math.min(WORKGROUP, limits.invocations, memory);
  const room = Math.floor(memory / workgroup) * workgroup;
  const weightsAt: number[] = [];
  const normAt: number[] = [];
  const phases: Phase[] = [];
  let at = 0;
  for (const [i, layer] of layers.entries()) {
    const columns = blocks(layer.outs);
    const ins = inBlocks(layer);
    weightsAt.push(at);
    const norm = Math.ceil((at + columns * ins) / ALIGN) * ALIGN;
    normAt.push(norm);
    const end = layer.activation ? norm + columns : at + columns * ins;
    for (let first = 0; first < columns;) {
      const start = at + first * ins;
      // γ and β are needed when the last columns are there: they are staged with them.
      const rest = end - start <= room ? columns : columns - 1;
      const last = Math.min(rest, first + Math.floor(room / ins));
      if (last <= first) return `${4 * ins} inputs of a layer do not fit into workgroup memory`;
      phases.push({
        layer: i,
        first,
        end: last,
        at: start,
        count: (last === columns ? end : at + last * ins) - start,
      });
      first = last;
    }
    at = Math.ceil(end / ALIGN) * ALIGN;
  }
  const loaded = (count: number) => Math.ceil(count / workgroup) * workgroup;
  return {
    shape,
    workgroup,
    stage: Math.max(...phases.map(({ count }) => loaded(count))),
    weightsAt,
    normAt,
    sheet: Math.max(...phases.map(({ at, count }) => at + loaded(count))),
    phases,
    multiplyAdds,
  };
}

/** A name for a plan's kernel: plans of the same name have the same source. */
export function straightLineName({ shape, workgroup, stage }: StraightLinePlan): string {
  const layers = shape.layers.map((l) =>
    `${l.mainBlocks}+${l.extraFirst}:${l.extraCount}>${l.outs}${l.activation ?? ""}`
  );
  const start = shape.fromRegion ? "region " : "";
  return `straight_line ${start}${shape.slots} ${layers.join(" ")} @${workgroup}/${stage}`;
}

function bindings({ shape, stage, workgroup }: StraightLinePlan): string {
  const start = shape.fromRegion
    ? `@group(0) @binding(4) var<storage, read> start: array<vec4f>;
@group(0) @binding(5) var<storage, read> region_of_point: array<u32>;
`
    : "";
  return `struct Params { chunk_first: u32, chunk_rows: u32, out_first: u32 }
@group(0) @binding(0) var<storage, read> list: array<u32>;
@group(0) @binding(1) var<storage, read> inputs: array<vec4f>;
@group(0) @binding(2) var<storage, read> sheet: array<mat4x4f>;
@group(0) @binding(3) var<storage, read_write> out: array<vec4f>;
${start}@group(0) @binding(6) var<uniform> params: Params;
var<workgroup> stage: array<mat4x4f, ${stage}>;

@compute @workgroup_size(${workgroup})
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  // Past the end the last row is computed again: no control flow may be open around the loads below.
  let row = min(linear_group(group, groups) * ${workgroup}u + lane, params.chunk_rows - 1u);
  let point = list[params.chunk_first + row];
`;
}

/** LayerNorm of z{i}_0 … over the true channels, then the activation: h{i+1}_0 …; `block` names γ and β of a column block. */
function norm(i: number, layer: RowLayerShape, epsilon: number, block: (j: number) => string) {
  const columns = Array.from({ length: blocks(layer.outs) }, (_, j) => j);
  const padding = 4 * columns.length - layer.outs;
  const mask = `vec4f(${[0, 1, 2, 3].map((c) => c < 4 - padding ? "1.0" : "0.0").join()})`;
  const sum = (name: string) => `(${name}.x + ${name}.y + ${name}.z + ${name}.w) / ${layer.outs}.0`;
  const lines = [
    `let s${i} = ${columns.map((j) => `z${i}_${j}`).join(" + ")};`,
    `let m${i} = ${sum(`s${i}`)};`,
    `var v${i} = vec4f();`,
  ];
  for (const j of columns) {
    const last = padding > 0 && j === columns.length - 1;
    lines.push(
      `z${i}_${j} = (z${i}_${j} - m${i})${last ? ` * ${mask}` : ""};`,
      `v${i} += z${i}_${j} * z${i}_${j};`,
    );
  }
  lines.push(`let r${i} = inverseSqrt(${sum(`v${i}`)} + ${epsilon});`);
  for (const j of columns) {
    const y = `z${i}_${j} * r${i} * ${block(j)}[0] + ${block(j)}[1]`;
    const activated = layer.activation === "gelu" ? `gelu4(${y})` : `max(${y}, vec4f())`;
    lines.push(`let h${i + 1}_${j} = ${activated};`);
  }
  return lines;
}

/** The kernel's WGSL. It needs shaders/math.wgsl before it. */
export function straightLineWgsl(plan: StraightLinePlan, epsilon: number): string {
  const { shape, workgroup, weightsAt, normAt } = plan;
  const { layers, slots, fromRegion } = shape;
  const lines: string[] = [];
  for (let s = 0; s + 1 < slots; s++) lines.push(`let x${s} = inputs[row * ${slots}u + ${s}u];`);
  const columns = layers.map((layer) => blocks(layer.outs));
  if (fromRegion) lines.push(`let origin = region_of_point[point] * ${columns[0]}u;`);
  lines.push(`let to = (point - params.out_first) * ${columns.at(-1)}u;`);
  plan.phases.forEach((phase, p) => {
    const { layer: i, at, count } = phase;
    const layer = layers[i];
    const ins = inBlocks(layer);
    if (p > 0) lines.push("workgroupBarrier();");
    for (let first = 0; first < count; first += workgroup) {
      lines.push(`stage[lane + ${first}u] = sheet[lane + ${at + first}u];`);
    }
    lines.push("workgroupBarrier();");
    const biased = bias(layer, slots);
    // One block of columns at a time, and no barriers but those of the staging: what is alive across a barrier is kept
    // in memory for every row of the workgroup. Two blocks at a time cost a tenth, more barriers a quarter.
    for (let j = phase.first; j < phase.end; j++) {
      const block = (k: number) => `stage[${weightsAt[i] + j * ins + k - at}]`;
      const start = i === 0 && fromRegion ? `start[origin + ${j}u]` : "vec4f()";
      lines.push(`var z${i}_${j} = ${biased ? `${block(ins - 1)}[0]` : start};`);
      for (let k = 0; k < ins - (biased ? 1 : 0); k++) {
        const x = k < layer.mainBlocks
          ? `h${i}_${k}`
          : `x${layer.extraFirst + k - layer.mainBlocks}`;
        lines.push(`z${i}_${j} += ${block(k)} * ${x};`);
      }
      if (!layer.activation) lines.push(`out[to + ${j}u] = z${i}_${j};`);
    }
    if (layer.activation && phase.end === columns[i]) {
      lines.push(...norm(i, layer, epsilon, (j) => `stage[${normAt[i] + j - at}]`));
    }
  });
  return `${bindings(plan)}  ${lines.join("\n  ")}\n}\n`;
}
