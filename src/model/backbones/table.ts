/** The backbones that a configuration can name: one line each. */

import type { Backbone } from "./backbone.ts";
import { pointnet } from "./pointnet.ts";

/** By name. */
export const BACKBONES = { pointnet } as const satisfies Readonly<Record<string, Backbone>>;
