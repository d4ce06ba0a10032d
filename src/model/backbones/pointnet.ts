/**
 * The backbone of docs/model.md, "Modules and parameter names": a shared MLP over each region's
 * points, in a tree of regions.
 */

import { FusedEncoder } from "../fused/fused_encoder.ts";
import { encoderParameters } from "../networks.ts";
import { PlainEncoder } from "../plain_encoder.ts";
import type { Backbone } from "./backbone.ts";

/** PointNet (Qi et al. 2017) region by region, on fused kernels or with plain operations. */
export const pointnet: Backbone = {
  name: "pointnet",
  parameters: encoderParameters,
  create: ({ config, parameters, heads, options }) =>
    options.fused ?? true
      ? new FusedEncoder(config, parameters, heads, options)
      : new PlainEncoder(config, parameters, heads),
};
