import { number, type Rule } from "./rule.ts";

/** See `Augmentation`. */
export const jitter: Rule<"jitter"> = {
  type: "jitter",
  fields: {
    sigma: number(0.005, 0, Infinity),
    clip: number(0.02, 0, Infinity),
    p: number(0.95, 0, 1),
  },
  apply({ coords }, { sigma, clip }, random) {
    for (let i = 0; i < coords.length; i++) {
      coords[i] += Math.min(clip, Math.max(-clip, sigma * random.normal()));
    }
  },
};
