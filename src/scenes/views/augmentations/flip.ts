import { scaling } from "./affine.ts";
import { number, type Rule } from "./rule.ts";
import type { Axis } from "./types.ts";

const AXES: readonly Axis[] = ["x", "y", "z"];

/** See `Augmentation`. */
export const flip: Rule<"flip"> = {
  type: "flip",
  fields: {
    axes: {
      fallback: ["x", "y"],
      expected: "a list of different axes out of x, y and z",
      accepts: (value) =>
        Array.isArray(value) && value.length > 0 && value.every((axis) => AXES.includes(axis)) &&
        new Set(value).size === value.length,
    },
    p: number(0.5, 0, 1),
  },
  drawsItself: true,
  apply(view, { axes, p }, random) {
    for (const axis of axes) {
      if (random.uniform() < p) {
        view.transform(scaling(AXES.map((other) => other === axis ? -1 : 1)));
      }
    }
  },
};
