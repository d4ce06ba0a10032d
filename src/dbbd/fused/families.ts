/**
 * Which kernels compute rows: loops, which compile at once and run well on any device, or generated straight-line
 * code, which is faster on the software device but compiles for seconds. Chosen by the work ahead. The choice
 * depends on the configuration and the batch alone, so that a resumed run computes what the unbroken one did.
 */

import type { Device } from "../../gpu/device.ts";
import type { RowProgram } from "./row_program.ts";
import {
  planStraightLine,
  rowShape,
  straightLineName,
  type StraightLinePlan,
} from "./straight_line.ts";

/** How rows are computed. */
export type RowFamily = "loops" | "straight-line";

/** What the choice is made by. */
export interface FamilyOptions {
  /** Steps the model will be trained for, from the first to the last; default 0: a short life, nothing big is compiled. */
  readonly steps?: number;
  /** The family wherever it can be had, whatever the work ahead. Default: chosen. */
  readonly rowFamily?: RowFamily;
}

/**
 * Measured on lavapipe (Mesa 22.3, two Zen 5 cores, full sizes): seconds to compile one multiply-add of the source, and
 * seconds of one multiply-add at run time (loops with the LayerNorm kernels between them). The first is paid once a machine, for Mesa keeps what it compiled on disk.
 */
const COST = { compile: 2.5e-4, loops: 2 / 15e9, straightLine: 2 / 65e9 } as const;

/** Rows from which compiling pays, whatever the size of the program. */
export const ROWS_TO_COMPILE = COST.compile / (COST.loops - COST.straightLine);

/** Decides for each program of a step. */
export interface FamilyPolicy {
  /** The plan of a program's straight-line kernel if it shall be used for `rows` rows a step, else null. */
  plan(program: RowProgram, rows: number): StraightLinePlan | null;
}

/** The policy of a model on a device. */
export function familyPolicy(device: Device, options: FamilyOptions): FamilyPolicy {
  const { steps = 0, rowFamily } = options;
  const said = new Set<string>();
  const say = (line: string) => {
    if (device.debug < 1 || said.has(line)) return;
    said.add(line);
    console.error(`[dbbd] ${line}`);
  };
  return {
    plan(program, rows) {
      const plan = planStraightLine(rowShape(program), {
        workgroupBytes: device.limits.maxComputeWorkgroupStorageSize,
        invocations: device.limits.maxComputeInvocationsPerWorkgroup,
      });
      if (typeof plan === "string") {
        say(`rows by loops: ${plan}`);
        return null;
      }
      const name = `rows of ${straightLineName(plan)}`;
      const ahead = rows * steps;
      const straight = rowFamily
        ? rowFamily === "straight-line"
        : device.kind === "software" && ahead >= ROWS_TO_COMPILE;
      const why = rowFamily
        ? "asked for"
        : device.kind !== "software"
        ? "a GPU"
        : `${(ahead / 1e6).toPrecision(2)} million rows ahead, compiling (about ${
          (plan.multiplyAdds * COST.compile).toFixed(1)
        } s) pays from ${(ROWS_TO_COMPILE / 1e6).toFixed(1)} million on`;
      // The rows of a batch vary; one line for each choice tells enough.
      if (!said.has(`${name} ${straight}`)) {
        said.add(`${name} ${straight}`);
        say(`${name} by ${straight ? "straight-line code" : "loops"}: ${why}`);
      }
      return straight ? plan : null;
    },
  };
}
