import { isNumber, number, type Rule } from "./rule.ts";

/** See `Augmentation`. */
export const dropRegions: Rule<"drop_regions"> = {
  type: "drop_regions",
  fields: {
    level: {
      fallback: 2,
      expected: "a whole number of at least 1",
      accepts: (value) => Number.isInteger(value) && isNumber(1, Infinity)(value),
    },
    ratio: number(0.2, 0, 1),
    p: number(0.95, 0, 1),
  },
  hidesPoints: true,
  apply(view, { level, ratio }, random) {
    const { tree } = view.scene;
    const hidden = new Uint8Array(tree.order.length);
    tree.level.forEach((own, region) => {
      if (own !== level || random.uniform() >= ratio) return;
      for (let at = tree.start[region]; at < tree.end[region]; at++) hidden[tree.order[at]] = 1;
    });
    view.cover(hidden, random);
  },
};
