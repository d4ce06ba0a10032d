import { direction, rotation, rotationAbout } from "./affine.ts";
import { number, type Rule } from "./rule.ts";

/** See `Augmentation`. */
export const rotate: Rule<"rotate"> = {
  type: "rotate",
  fields: {
    axis: {
      fallback: "z",
      expected: "x, y, z or any",
      accepts: (value) => value === "x" || value === "y" || value === "z" || value === "any",
    },
    degrees: number(180, 0, 180),
    p: number(0.95, 0, 1),
  },
  apply(view, { axis, degrees }, random) {
    const radians = random.uniform(-degrees, degrees) * Math.PI / 180;
    view.transform(
      axis === "any" ? rotationAbout(direction(random), radians) : rotation(axis, radians),
    );
  },
};
