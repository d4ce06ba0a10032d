import { direction } from "./affine.ts";
import { emptyRange, number, type Rule } from "./rule.ts";

/** See `Augmentation`. */
export const crop: Rule<"crop"> = {
  type: "crop",
  fields: {
    min: number(0.6, 0, 1),
    max: number(1, 0, 1),
    p: number(0.95, 0, 1),
  },
  problem: emptyRange,
  hidesPoints: true,
  apply(view, { min, max }, random) {
    const { coords } = view;
    const [x, y, z] = direction(random);
    const along = new Float64Array(coords.length / 3);
    for (let i = 0; i < along.length; i++) {
      along[i] = x * coords[3 * i] + y * coords[3 * i + 1] + z * coords[3 * i + 2];
    }
    const share = random.uniform(min, max);
    const keep = Math.max(1, Math.round(share * along.length));
    const furthest = along.slice().sort()[keep - 1];
    view.cover(Uint8Array.from(along, (distance) => Number(distance > furthest)), random);
  },
};
