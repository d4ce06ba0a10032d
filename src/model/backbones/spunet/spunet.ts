/** The backbone `spunet`: the sparse U-Net over whole scenes, in a tree of regions. */

import { UsageError } from "../../../base/errors.ts";
import type { ModelConfig, SpunetConfig } from "../../model_config.ts";
import { fusedInfoNCE } from "../../fused/contrast/info_nce.ts";
import { plainInfoNCE } from "../../info_nce.ts";
import { treeParameters } from "../../networks.ts";
import { plainHeads } from "../../plain_encoder.ts";
import type { Backbone } from "../backbone.ts";
import { SpunetEncoder } from "./encoder.ts";
import { spunetLayers, spunetParameters } from "./layers.ts";

/** A configuration with the U-Net's sizes, checked. */
function checked(config: ModelConfig): ModelConfig & { readonly spunet: SpunetConfig } {
  const { hidden_dim, output_dim, spunet, propagator_coords } = config;
  if (!spunet) throw new UsageError("backbone spunet: expected a mapping spunet with its sizes");
  if (hidden_dim !== output_dim) {
    throw new UsageError(
      `backbone spunet: expected hidden_dim to be output_dim, ${output_dim}; found ${hidden_dim}`,
    );
  }
  if (propagator_coords === "parent") {
    throw new UsageError("backbone spunet: expected propagator_coords plain; found parent");
  }
  const { channels, layers } = spunet;
  if (channels.length === 0 || channels.length % 2 !== 0 || layers.length !== channels.length) {
    throw new UsageError(
      `backbone spunet: expected as many channels as layers, an even number of both; found ` +
        `${channels.length} and ${layers.length}`,
    );
  }
  return { ...config, spunet };
}

/**
 * See docs/model.md, "The sparse U-Net". Its layers are plain operations, whatever the options; of a
 * fused model the contrast is.
 */
export const spunet: Backbone = {
  name: "spunet",
  parameters(config) {
    const own = spunetParameters(spunetLayers(checked(config)), config.output_dim);
    return [...treeParameters(config), ...own];
  },
  create: ({ config, parameters, heads, options }) => {
    const infoNCE = options.fused ?? true ? fusedInfoNCE : plainInfoNCE;
    return new SpunetEncoder(checked(config), parameters, plainHeads(heads, parameters, infoNCE));
  },
};
