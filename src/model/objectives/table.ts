/** The objectives that a configuration can name: one line each. */

import { contrast } from "./contrast.ts";
import type { Objective } from "./objective.ts";

/** By name. */
export const OBJECTIVES = { contrast } as const satisfies Readonly<Record<string, Objective>>;
