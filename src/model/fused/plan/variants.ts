/**
 * Which kernels compute rows: loops, which compile at once and run well on any device, or generated
 * straight-line code, which is faster on the software device but compiles for seconds. Chosen by
 * the work ahead. The choice depends on the configuration and the batch alone, so that a resumed
 * run computes what the unbroken one did.
 */

import { warn } from "../../../base/terminal.ts";
import type { Device } from "../../../gpu/device.ts";
import type { GradientVariant } from "../loops/row_gradients.ts";
import type { RowProgram } from "./row_program.ts";
import {
  planStraightLine,
  rowShape,
  type StraightLineJob,
  straightLineName,
  type StraightLinePlan,
} from "../straight_line/straight_line.ts";

/** How rows are computed. */
export type RowVariant = "loops" | "straight-line";

/** What the choice is made by. */
export interface VariantOptions {
  /**
   * Steps the model will be trained for, from the first to the last; default 0: a short life,
   * nothing big is compiled.
   */
  readonly steps?: number;
  /** The variant wherever it can be had, whatever the work ahead. Default: chosen. */
  readonly rowVariant?: RowVariant;
}

/**
 * Measured on lavapipe (Mesa 22.3, two Zen 5 cores, full sizes): seconds to compile one
 * multiply-add of the source, and seconds of one multiply-add at run time (loops with the LayerNorm
 * kernels between them). The first is paid once a machine, for Mesa keeps what it compiled on disk.
 */
export const COST = { compile: 2.5e-4, loops: 2 / 15e9, straightLine: 2 / 65e9 } as const;

/** Rows from which compiling pays, whatever the size of the program. */
export const ROWS_TO_COMPILE = COST.compile / (COST.loops - COST.straightLine);

/**
 * Rows with gradient from which compiling row_weight_gradient_lanes pays: 0.2 ms a multiply-add,
 * which it makes 0.06 ns faster.
 */
export const ROWS_TO_COMPILE_LANES = 4e6;

/**
 * Share of the rows that have gradient, roughly: with max pooling 13 % (G2L) and 47 % (L2G) were
 * measured.
 */
export const ROWS_WITH_GRADIENT = 0.25;

/** How a program's rows are computed; null: by loops. */
export interface RowPlans {
  readonly forward: StraightLinePlan | null;
  readonly backward: StraightLinePlan | null;
}

/**
 * The plan to take for `rows` rows a step, among plans of one source but for their workgroups, all
 * of which compute the same bits: `wanted`, or one that was taken before where using it for `steps`
 * steps costs less than compiling another one. So the smaller batch at an epoch's end does not stop
 * a training for a minute.
 */
export function planToTake(
  wanted: StraightLinePlan,
  taken: readonly StraightLinePlan[],
  rows: number,
  steps: number,
): StraightLinePlan {
  // In larger workgroups lanes compute for nothing; in smaller ones fewer rows share what is
  // staged, which costs a quarter or so.
  const loss = ({ workgroup }: StraightLinePlan) =>
    workgroup >= wanted.workgroup ? workgroup - wanted.workgroup : rows / 4;
  let best = wanted, least = Infinity;
  for (const plan of taken) if (loss(plan) < least) [best, least] = [plan, loss(plan)];
  return least === 0 || least * steps < ROWS_TO_COMPILE ? best : wanted;
}

/** Decides for each program of a step. */
export interface VariantPolicy {
  /**
   * The kernels of a program that is run on `rows` rows a step.
   * @param pooled whether the largest results of runs of rows are wanted: then `forward` is a plan
   * that pools, where the device can
   */
  plans(program: RowProgram, rows: number, pooled?: boolean): RowPlans;
  /** How weight gradients are summed over `rows` rows a step. */
  gradients(rows: number): GradientVariant;
}

/** Says each choice once. */
class Choices {
  readonly #debug: number;
  readonly #said = new Set<string>();

  constructor(debug: number) {
    this.#debug = debug;
  }

  say(line: string): void {
    if (this.#debug < 1 || this.#said.has(line)) return;
    this.#said.add(line);
    warn(`[dbbd] ${line}`);
  }

  /** The rows of a batch vary; one line for each choice tells enough. */
  sayFirst(choice: string, why: string): void {
    if (this.#said.has(choice)) return;
    this.#said.add(choice);
    this.say(`${choice}: ${why}`);
  }
}

/** The policy of a model on a device. */
class Policy implements VariantPolicy {
  readonly #device: Device;
  readonly #steps: number;
  readonly #asked: RowVariant | undefined;
  readonly #choices: Choices;
  /** Plans of one source that were taken before. */
  readonly #taken = new Map<string, StraightLinePlan[]>();

  constructor(device: Device, { steps = 0, rowVariant }: VariantOptions, debug: number) {
    this.#device = device;
    this.#steps = steps;
    this.#asked = rowVariant;
    this.#choices = new Choices(debug);
  }

  #take(wanted: StraightLinePlan, rows: number): StraightLinePlan {
    const source = straightLineName({ ...wanted, workgroup: 0, stage: 0 });
    const before = this.#taken.get(source) ?? [];
    const plan = planToTake(wanted, before, rows, this.#steps);
    if (!before.includes(plan)) this.#taken.set(source, [...before, plan]);
    return plan;
  }

  /** Whether straight-line code is worth its compiling, and why. */
  #judge(rows: number, multiplyAdds: number): { straight: boolean; why: string } {
    if (this.#asked) return { straight: this.#asked === "straight-line", why: "asked for" };
    if (this.#device.kind !== "software") return { straight: false, why: "a GPU" };
    const ahead = rows * this.#steps;
    const seconds = (multiplyAdds * COST.compile).toFixed(1);
    return {
      straight: ahead >= ROWS_TO_COMPILE,
      why: `${(ahead / 1e6).toPrecision(2)} million rows ahead, compiling (about ${seconds} s) ` +
        `pays from ${(ROWS_TO_COMPILE / 1e6).toFixed(1)} million on`,
    };
  }

  #plan(program: RowProgram, rows: number, job: StraightLineJob): StraightLinePlan | null {
    const { limits } = this.#device;
    const plan = planStraightLine(
      rowShape(program),
      {
        workgroupBytes: limits.maxComputeWorkgroupStorageSize,
        invocations: limits.maxComputeInvocationsPerWorkgroup,
        storageBuffers: limits.maxStorageBuffersPerShaderStage,
      },
      job,
      rows,
    );
    const name = `${program.name} rows, ${job}, by`;
    if (typeof plan === "string") {
      this.#choices.say(`${name} loops: ${plan}`);
      return null;
    }
    const { straight, why } = this.#judge(rows, plan.multiplyAdds);
    this.#choices.sayFirst(`${name} ${straight ? "straight-line code" : "loops"}`, why);
    return straight ? this.#take(plan, rows) : null;
  }

  plans(program: RowProgram, rows: number, pooled = false): RowPlans {
    const { shuffles } = this.#device;
    const pool = pooled && shuffles ? this.#plan(program, rows, "pool") : null;
    const some = rows * ROWS_WITH_GRADIENT;
    return {
      forward: pool ?? this.#plan(program, rows, "forward"),
      backward: this.#plan(program, some, shuffles ? "reduce" : "backward"),
    };
  }

  gradients(rows: number): GradientVariant {
    const lanes = this.#asked
      ? this.#asked === "straight-line"
      : this.#device.kind === "software" && rows * this.#steps >= ROWS_TO_COMPILE_LANES;
    return lanes ? "lanes" : "loops";
  }
}

/**
 * The policy of a model on a device.
 * @param debug from 1 on choices are told, each once
 */
export function variantPolicy(
  device: Device,
  options: VariantOptions,
  debug: number = device.debug,
): VariantPolicy {
  return new Policy(device, options, debug);
}
