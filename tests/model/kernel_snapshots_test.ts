/**
 * The source of generated kernels, whole: what a change does to them shows in the difference of a
 * file. Where it is meant to: `deno test -A tests/model/kernel_snapshots_test.ts --update-snapshots`.
 */

import {
  planStraightLine,
  type RowShape,
  type StraightLineJob,
} from "../../src/model/fused/straight_line/straight_line.ts";
import { straightLineWgsl } from "../../src/model/fused/straight_line/straight_line_source.ts";

/** Three layers whose rows start from their parent's value and read their places and features. */
const SHAPE: RowShape = {
  points: { features: 3, placed: true },
  fromRegion: true,
  layers: [
    {
      outs: 6,
      mainBlocks: 0,
      extraFirst: 0,
      extraCount: 1,
      gradientBlocks: 0,
      activation: "gelu",
    },
    {
      outs: 5,
      mainBlocks: 2,
      extraFirst: 2,
      extraCount: 1,
      gradientBlocks: 2,
      activation: "relu",
    },
    {
      outs: 3,
      mainBlocks: 2,
      extraFirst: 3,
      extraCount: 1,
      gradientBlocks: 2,
      activation: null,
    },
  ],
};
const LIMITS = { workgroupBytes: 16384, invocations: 256, storageBuffers: 32 };
const JOBS: readonly StraightLineJob[] = ["forward", "pool", "backward", "reduce"];

for (const job of JOBS) {
  Deno.test(`the straight-line kernel of the job ${job}`, async (t) => {
    const plan = planStraightLine(SHAPE, LIMITS, job);
    if (typeof plan === "string") throw new Error(plan);
    await t.assertSnapshot(straightLineWgsl(plan, 1e-5), { serializer: (wgsl) => wgsl });
  });
}
