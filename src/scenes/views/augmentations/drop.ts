import { number, type Rule } from "./rule.ts";

/** See `Augmentation`. */
export const drop: Rule<"drop"> = {
  type: "drop",
  fields: {
    ratio: number(0.5, 0, 1),
    p: number(0.95, 0, 1),
  },
  hidesPoints: true,
  apply(view, { ratio }, random) {
    const hidden = new Uint8Array(view.coords.length / 3);
    for (let i = 0; i < hidden.length; i++) hidden[i] = Number(random.uniform() < ratio);
    view.cover(hidden, random);
  },
};
