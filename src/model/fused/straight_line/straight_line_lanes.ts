/**
 * The parts of straight-line kernels in which 8 lanes shuffle values: maxima and sums of 8 rows,
 * and a region's start value. Lines of WGSL; see `straight_line_source.ts`.
 */

import { blocks } from "../plan/row_program.ts";
import { normBlocks, POOLED_ROWS, type RowShape } from "./straight_line.ts";

/**
 * The larger of two lanes' values and where it comes from: of equal ones the lower lane's. NaN
 * wins, so that it is seen. `above`: the value handed over is from a higher lane.
 */
export const TAKES = `
fn takes(value: vec4f, own: vec4f, above: vec4<bool>) -> vec4<bool> {
  let larger = select(value >= own, value > own, above);
  return larger | ((bitcast<vec4u>(value) & vec4u(0x7fffffffu)) > vec4u(0x7f800000u));
}
`;

/** How far apart lanes are that hand values to each other, step by step. */
const STEPS = Array.from({ length: Math.log2(POOLED_ROWS) }, (_, i) => 1 << i);

/** What shuffling needs of a lane, once. */
export function shareLines(): string[] {
  return [
    ...STEPS.map((step) => `let above_${step} = vec4<bool>((place & ${step}u) == 0u);`),
    `let eighth = own_row / ${POOLED_ROWS}u;`,
  ];
}

/** What pooling needs of a row, once. */
export function poolLines(blocks: number): string[] {
  return [
    ...shareLines(),
    // A region's last point is repeated up to the next eight; one lane stores it.
    `let before = subgroupShuffle(point, max(place, 1u) - 1u);`,
    `let own = (own_row < rows) & (((place & ${POOLED_ROWS - 1}u) == 0u) | (point != before));`,
    `let leaf = own & (leaf_here[point] != 0u) & (point >= params.out_first);`,
    `let point_1 = vec4u(subgroupShuffleXor(point, 1u));`,
    `let whole = eighth * ${POOLED_ROWS}u < rows;`,
    `let pooled = (params.chunk_first / ${POOLED_ROWS}u + eighth - params.pool_first) * ${blocks}u;`,
  ];
}

/** The name of a block's maxima, and of where they came from. */
interface Maxima {
  readonly value: string;
  readonly arg: string;
}

/**
 * Two blocks of channels, each over lanes that are `step` apart: the lower lane goes on with the
 * first block, the upper with the second. So 8 lanes end with an eighth of 8 blocks each, and half
 * the comparisons that each block by itself would take.
 */
function halve(step: number, name: string, [a, b]: readonly Maxima[]): [Maxima, string[]] {
  const [v, o] = [`v${name}`, `o${name}`];
  const value = `w${name}`, arg = `q${name}`;
  const first = step === 1;
  return [{ value, arg }, [
    `let ${v} = select(${b.value}, ${a.value}, above_${step});`,
    `let ${o} = subgroupShuffleXor(select(${a.value}, ${b.value}, above_${step}), ${step}u);`,
    `let t${name} = takes(${o}, ${v}, above_${step});`,
    `let ${value} = select(${v}, ${o}, t${name});`,
    ...(first ? [`let ${arg} = select(vec4u(point), point_1, t${name});`] : [
      `let p${name} = select(${b.arg}, ${a.arg}, above_${step});`,
      `let s${name} = subgroupShuffleXor(select(${a.arg}, ${b.arg}, above_${step}), ${step}u);`,
      `let ${arg} = select(p${name}, s${name}, t${name});`,
    ]),
  ]];
}

/**
 * Maxima of 8 blocks of channels, fewer at the end, over 8 neighbouring rows; they go to row
 * `own_row / 8` of the pools.
 */
export function poolBlocks(first: number, values: readonly string[], blocks: number): string[] {
  // Blocks that are missing at the end are the last one again, and are not stored.
  let maxima: Maxima[] = Array.from(
    { length: POOLED_ROWS },
    (_, i) => ({ value: values[Math.min(i, values.length - 1)], arg: "" }),
  );
  const lines: string[] = [];
  for (const step of STEPS) {
    const next: Maxima[] = [];
    for (let i = 0; i < maxima.length; i += 2) {
      const [maximum, made] = halve(step, `${first}_${step}_${i}`, maxima.slice(i, i + 2));
      next.push(maximum);
      lines.push(...made);
    }
    maxima = next;
  }
  const block = `${first}u + (place & ${POOLED_ROWS - 1}u)`;
  const there = first + POOLED_ROWS > blocks ? `whole & (${block} < ${blocks}u)` : "whole";
  const [{ value, arg }] = maxima;
  return [
    ...lines,
    `if (${there}) { pool_value[pooled + ${block}] = ${value}; pool_arg[pooled + ${block}] = ${arg}; }`,
  ];
}

/**
 * Where a row's start value is; `shared` by 8 rows of a region, of which each lane loads an eighth
 * and shuffles it.
 */
export function startLines(blocks: number, shared: boolean): string[] {
  const first = `let first = parent_of_point[point] * ${blocks}u;`;
  if (!shared) return [first];
  const own = Array.from({ length: Math.ceil(blocks / POOLED_ROWS) }, (_, g) => {
    const at = `min(${POOLED_ROWS * g}u + (place & ${POOLED_ROWS - 1}u), ${blocks - 1}u)`;
    return `let start_${g} = start[first + ${at}];`;
  });
  return [first, ...own, `let lanes = place - (place & ${POOLED_ROWS - 1}u);`];
}

/** Block j of a row's start value, as `startLines` have made it available. */
export function startBlock(j: number, shared: boolean): string {
  return shared
    ? `subgroupShuffle(start_${Math.floor(j / POOLED_ROWS)}, lanes + ${j % POOLED_ROWS}u)`
    : `start[first + ${j}u]`;
}

/** Columns of which γ's and β's gradients make up 8 blocks. */
export const SUMMED_COLUMNS = POOLED_ROWS / 2;

/**
 * γ's and β's gradients of 4 blocks of layer i from block `first` on, fewer at the end, over 8
 * neighbouring rows: each lane ends with an eighth, as in `halve`.
 */
export function sumBlocks(shape: RowShape, i: number, first: number): string[] {
  const columns = blocks(shape.layers[i].outs);
  const own = Array.from(
    { length: SUMMED_COLUMNS },
    (_, c) => Math.min(first + c, columns - 1),
  );
  let values = [...own.map((j) => `f${i}_${j}`), ...own.map((j) => `e${i}_${j}`)];
  const lines: string[] = [];
  for (const step of STEPS) {
    values = values.flatMap((a, v) => {
      if (v % 2 === 1) return [];
      const b = values[v + 1];
      const name = `w${i}_${first}_${step}_${v}`;
      lines.push(
        `let ${name} = select(${b}, ${a}, above_${step}) + ` +
          `subgroupShuffleXor(select(${a}, ${b}, above_${step}), ${step}u);`,
      );
      return [name];
    });
  }
  const from = normBlocks(shape, i);
  const block = `${first}u + (place & ${SUMMED_COLUMNS - 1}u)`;
  const at = `eighth * ${normBlocks(shape)}u + ${from}u + ${block} + ` +
    `select(${columns}u, 0u, (place & ${SUMMED_COLUMNS}u) == 0u)`;
  const store = `norm_sums[${at}] = ${values[0]};`;
  // Columns that are missing at the end are the last one again, and are not stored.
  const whole = first + SUMMED_COLUMNS <= columns;
  return [...lines, whole ? store : `if (${block} < ${columns}u) { ${store} }`];
}
