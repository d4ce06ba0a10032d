/** The backbone `spunet`: the sparse U-Net over whole scenes, in a tree of regions. */

import { UsageError } from "../../../base/errors.ts";
import type { ModelConfig, SpunetConfig } from "../../model_config.ts";
import { fusedInfoNCE } from "../../fused/contrast/info_nce.ts";
import { plainInfoNCE } from "../../info_nce.ts";
import { treeParameters } from "../../networks.ts";
import { plainHeads } from "../../plain_encoder.ts";
import type { Backbone, SettingsProblem } from "../backbone.ts";
import { SpunetEncoder } from "./encoder.ts";
import { spunetLayers, spunetParameters } from "./layers.ts";

function problems(config: ModelConfig): SettingsProblem[] {
  const { hidden_dim, output_dim, spunet, propagator_coords } = config;
  const found: SettingsProblem[] = [];
  if (!spunet) found.push({ keys: ["spunet"], message: "spunet: expected its sizes; found none" });
  if (hidden_dim !== output_dim) {
    found.push({
      keys: ["hidden_dim", "output_dim", "backbone"],
      message: `hidden_dim: backbone spunet expects it to be output_dim, ${output_dim}; found ` +
        `${hidden_dim}`,
    });
  }
  if (spunet && spunet.channels.length !== spunet.layers.length) {
    found.push({
      keys: ["spunet"],
      message: `spunet: expected as many layers as channels, ${spunet.channels.length}; found ` +
        `${spunet.layers.length}`,
    });
  }
  if (spunet && (spunet.channels.length === 0 || spunet.channels.length % 2 !== 0)) {
    found.push({
      keys: ["spunet"],
      message: `spunet: expected as many channels down as up; found ${spunet.channels.length}`,
    });
  }
  if (propagator_coords === "parent") {
    found.push({
      keys: ["propagator_coords", "backbone"],
      message: "propagator_coords: backbone spunet knows plain alone; found parent",
    });
  }
  return found;
}

/** A configuration with the U-Net's sizes, checked. */
function checked(config: ModelConfig): ModelConfig & { readonly spunet: SpunetConfig } {
  const found = problems(config);
  if (found.length > 0) throw new UsageError(found.map(({ message }) => message).join("\n"));
  return config as ModelConfig & { readonly spunet: SpunetConfig };
}

/**
 * See docs/model.md, "The sparse U-Net". Its layers are plain operations, whatever the options; of a
 * fused model the contrast is.
 */
export const spunet: Backbone = {
  name: "spunet",
  problems,
  parameters(config) {
    const own = spunetParameters(spunetLayers(checked(config)), config.output_dim);
    return [...treeParameters(config), ...own];
  },
  create: ({ config, parameters, heads, options }) => {
    const infoNCE = options.fused ?? true ? fusedInfoNCE : plainInfoNCE;
    return new SpunetEncoder(checked(config), parameters, plainHeads(heads, parameters, infoNCE));
  },
};
