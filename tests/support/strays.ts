/** A scene with points that lie in no leaf. */

import { Random } from "../../src/base/random.ts";
import { treeFromNested } from "../../src/scenes/region_tree.ts";
import type { Scene } from "../../src/scenes/scene.ts";

/** Eleven points, of which 4 and 7 are in no leaf, and the leaves at two levels. */
export function withStrays(): Scene {
  const random = new Random(3, "strays");
  const draw = (n: number) => Float32Array.from({ length: n }, () => random.normal());
  const leaf = (center: number, ...points: number[]) => ({
    center_idx: center,
    indices: points,
    children: [],
  });
  const tree = treeFromNested(
    {
      level: 0,
      center_idx: 5,
      indices: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
      children: [
        { ...leaf(9, 9, 1, 3), level: 1 },
        {
          level: 1,
          center_idx: 8,
          indices: [10, 8, 0, 2, 7],
          children: [{ ...leaf(0, 0, 10), level: 2 }, { ...leaf(8, 8, 2), level: 2 }],
        },
        { ...leaf(6, 6, 5), level: 1 },
      ],
    },
    11,
    "strays",
  );
  return {
    id: "strays",
    coords: draw(33),
    feats: draw(33),
    featureColumns: [{ name: "normals", width: 3, kind: "vector" }],
    tree,
  };
}
