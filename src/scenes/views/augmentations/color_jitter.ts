import { needsColors, number, type Rule } from "./rule.ts";

/** See `Augmentation`. */
export const colorJitter: Rule<"color_jitter"> = {
  type: "color_jitter",
  fields: {
    sigma: number(0.05, 0, 1),
    p: number(0.95, 0, 1),
  },
  needs: needsColors,
  apply({ unmovedFeats: feats, width, colors }, { sigma }, random) {
    for (const channel of colors) {
      for (let at = channel; at < feats.length; at += width) {
        feats[at] = Math.min(1, Math.max(0, feats[at] + sigma * random.normal()));
      }
    }
  },
};
