import { isNumber, needsColors, number, type Rule } from "./rule.ts";

/** See `Augmentation`. */
export const autoContrast: Rule<"auto_contrast"> = {
  type: "auto_contrast",
  fields: {
    blend: {
      fallback: null,
      expected: "a number from 0 to 1, or null for a random one",
      accepts: (value) => value === null || isNumber(0, 1)(value),
    },
    p: number(0.2, 0, 1),
  },
  needs: needsColors,
  apply({ unmovedFeats, width, colors }, { blend }, random) {
    const share = blend ?? random.uniform();
    for (const channel of colors) stretchContrast(unmovedFeats, width, channel, share);
  },
};

function stretchContrast(feats: Float32Array, width: number, channel: number, blend: number): void {
  let least = Infinity, most = -Infinity;
  for (let at = channel; at < feats.length; at += width) {
    least = Math.min(least, feats[at]);
    most = Math.max(most, feats[at]);
  }
  if (most <= least) return; // one value throughout: nothing to stretch
  for (let at = channel; at < feats.length; at += width) {
    feats[at] = (1 - blend) * feats[at] + blend * (feats[at] - least) / (most - least);
  }
}
