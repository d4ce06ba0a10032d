/** The backbones that a configuration can name: one line each. */

import type { Backbone } from "./backbone.ts";
import { pointnet } from "./pointnet.ts";
import { spunet } from "./spunet/spunet.ts";

/** By name. */
export const BACKBONES = { pointnet, spunet } as const satisfies Readonly<Record<string, Backbone>>;
