/** The objectives that a configuration can name: one line each. */

import { dbbd } from "./dbbd.ts";
import type { Objective } from "./objective.ts";

/** By name. */
export const OBJECTIVES = { dbbd } as const satisfies Readonly<Record<string, Objective>>;
