/**
 * The contrast of both branches, region by region of each level and point by point: docs/model.md,
 * "Loss and metrics".
 */

import { mlp } from "../../nn/network.ts";
import { weightedSum } from "../../tensor/mod.ts";
import type { Objective } from "./objective.ts";

/** Hidden width of the projection heads. */
export const PROJECTION_HIDDEN = 96;

/** alpha · the mean over the levels of the regions' InfoNCE + beta · the drawn points' InfoNCE. */
export const dbbd: Objective<"region" | "point"> = {
  name: "dbbd",
  scalars: ["region", "point"],
  heads({ output_dim, projection_dim }) {
    const head = (name: string) =>
      mlp(
        name,
        [{ name: "row", width: output_dim }],
        [PROJECTION_HIDDEN, projection_dim],
        "relu",
        "default",
      );
    return {
      regionHead: head("loss.region_projection.layers"),
      pointHead: head("loss.point_projection.layers"),
    };
  },
  compute({ output, sample, config: { temperature, alpha, beta } }) {
    const { g2l, l2g } = output;
    const pairs = g2l.regions.map((query, l) => ({ query, key: l2g.regions[l] }));
    const levels = output.contrast("regionHead", pairs, temperature);
    const region = weightedSum(levels, levels.map(() => 1 / levels.length));
    const drawn = { query: g2l.sample(sample), key: l2g.sample(sample) };
    const [point] = output.contrast("pointHead", [drawn], temperature);
    return {
      total: weightedSum([region, point], [alpha, beta]),
      scalars: {
        region,
        point,
        ...Object.fromEntries(levels.map((loss, l) => [`region_level_${l}`, loss])),
      },
    };
  },
};
