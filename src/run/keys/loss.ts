/** Keys of the loss. */

import { OBJECTIVES } from "../../model/objectives/table.ts";
import { type ConfigKey, WIDEST } from "./key.ts";

/** The keys under the heading `loss`. */
export const LOSS_KEYS = {
  objective: {
    group: "loss",
    resume: "fixed",
    type: "choice",
    default: "dbbd",
    values: Object.keys(OBJECTIVES) as readonly (keyof typeof OBJECTIVES)[],
    help: "what training makes small",
  },
  projection_dim: {
    group: "loss",
    resume: "fixed",
    type: "integer",
    default: 128,
    small: 64,
    min: 1,
    max: WIDEST,
    help: "width in which the two branches are compared",
  },
  temperature: {
    group: "loss",
    resume: "told",
    type: "number",
    default: 0.1,
    above: 0,
    help: "of the contrastive loss; smaller is stricter",
  },
  alpha: {
    group: "loss",
    resume: "told",
    type: "number",
    default: 1,
    min: 0,
    help: "weight of the region loss",
  },
  beta: {
    group: "loss",
    resume: "told",
    type: "number",
    default: 0.5,
    min: 0,
    help: "weight of the point loss",
  },
  point_num_samples: {
    group: "loss",
    resume: "told",
    type: "integer",
    default: 4096,
    small: 512,
    min: 1,
    max: 16_777_216,
    help: "points drawn from a batch for the point loss",
  },
} as const satisfies Readonly<Record<string, ConfigKey>>;
