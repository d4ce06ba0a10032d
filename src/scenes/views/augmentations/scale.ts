import { scaling } from "./affine.ts";
import { emptyRange, number, type Rule } from "./rule.ts";

const SMALLEST = 1e-3;

/** See `Augmentation`. */
export const scale: Rule<"scale"> = {
  type: "scale",
  fields: {
    min: number(0.9, SMALLEST, 1000),
    max: number(1.1, SMALLEST, 1000),
    anisotropic: {
      fallback: false,
      expected: "true or false",
      accepts: (value) => typeof value === "boolean",
    },
    p: number(0.95, 0, 1),
  },
  problem: emptyRange,
  apply(view, { min, max, anisotropic }, random) {
    const factor = random.uniform(min, max);
    const draw = (): number => anisotropic ? random.uniform(min, max) : factor;
    view.transform(scaling([factor, draw(), draw()]));
  },
};
