/** No objective: for encoders, which are not trained. */

import type { Objective } from "./objective.ts";

/** Without heads, and without a loss. */
export const none: Objective = {
  name: "none",
  scalars: [],
  compute(): never {
    throw new TypeError("This model is for encoding alone: it has no loss.");
  },
};
