/** Every augmentation there is. */

import { autoContrast } from "./auto_contrast.ts";
import { colorJitter } from "./color_jitter.ts";
import { crop } from "./crop.ts";
import { drop } from "./drop.ts";
import { dropRegions } from "./drop_regions.ts";
import { flip } from "./flip.ts";
import { jitter } from "./jitter.ts";
import { jitterNormals } from "./jitter_normals.ts";
import { rotate } from "./rotate.ts";
import { scale } from "./scale.ts";
import { translate } from "./translate.ts";
import { zeroFeatures } from "./zero_features.ts";
import type { Rule } from "./rule.ts";
import type { Augmentation, AugmentationConfig } from "./types.ts";

/** The rules by name, in the order in which messages list them. */
export const AUGMENTATIONS: { readonly [T in Augmentation["type"]]: Rule<T> } = {
  rotate,
  scale,
  translate,
  jitter,
  flip,
  color_jitter: colorJitter,
  auto_contrast: autoContrast,
  drop,
  drop_regions: dropRegions,
  crop,
  jitter_normals: jitterNormals,
  zero_features: zeroFeatures,
};

/** What training does unless told otherwise: docs/model.md, Views. */
export const TRAINING_AUGMENTATION: AugmentationConfig = [
  { type: "rotate", axis: "z", degrees: 180, p: 0.95 },
  { type: "scale", min: 0.9, max: 1.1, p: 0.95 },
];
