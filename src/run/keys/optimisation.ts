/** Keys of the optimiser and its schedule. */

import { type ConfigKey, MANY } from "./key.ts";

/** The keys under the heading `optimisation`. */
export const OPTIMISATION_KEYS = {
  num_epochs: {
    group: "optimisation",
    resume: "free",
    type: "integer",
    default: 100,
    min: 1,
    max: MANY,
    help: "how often to go through the training scenes",
  },
  learning_rate: {
    group: "optimisation",
    resume: "told",
    type: "number",
    default: 0.001,
    above: 0,
    help: "AdamW's step size at the start",
  },
  weight_decay: {
    group: "optimisation",
    resume: "told",
    type: "number",
    default: 0.01,
    min: 0,
    help: "AdamW's decoupled decay, on every parameter",
  },
  scheduler_type: {
    group: "optimisation",
    resume: "told",
    type: "choice",
    default: "cosine",
    values: ["cosine", "none"],
    help: "how the learning rate changes from epoch to epoch",
  },
  T_max: {
    group: "optimisation",
    resume: "told",
    type: "integer",
    default: 100,
    min: 1,
    max: MANY,
    help: "epochs in which cosine reaches eta_min; then it climbs back",
  },
  eta_min: {
    group: "optimisation",
    resume: "told",
    type: "number",
    default: 0.00001,
    min: 0,
    help: "lowest learning rate of cosine",
  },
} as const satisfies Readonly<Record<string, ConfigKey>>;
