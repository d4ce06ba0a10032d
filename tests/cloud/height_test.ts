import { assertAlmostEquals, assertEquals } from "@std/assert";
import { featureAttribute } from "../../src/scenes/scene_file.ts";
import { heightAboveGround } from "../../src/cloud/height.ts";
import type { PointCloud } from "../../src/cloud/point_cloud.ts";

Deno.test("in what is small, height is above the lowest point", () => {
  const coords = Float32Array.of(0, 0, 1.5, 3, -2, -0.5, -4, 1, 0.25);
  assertEquals(heightAboveGround(coords), Float32Array.of(2, 0, 0.75));
  assertEquals(heightAboveGround(Float32Array.of(1e6, -1e6, 7)), Float32Array.of(0));
  assertEquals(heightAboveGround(new Float32Array(0)).length, 0);
});

Deno.test("a slope is no height, what stands on it is", () => {
  // A plane that rises by 6 m in 100 m, a post of 5 m at each tenth metre of it.
  const points: number[] = [], posts: number[] = [];
  for (let x = 0; x <= 100; x++) {
    for (let y = -20; y <= 20; y += 2) points.push(x, y, 0.06 * x);
    if (x % 10 === 0) {
      posts.push(points.length / 3);
      points.push(x, 0.5, 0.06 * x + 5);
    }
  }
  const heights = heightAboveGround(Float32Array.from(points));
  heights.forEach((height, i) => {
    const own = posts.includes(i) ? 5 : 0;
    assertAlmostEquals(height, own + 0.48, 0.4801, `point ${i}`);
  });
});

Deno.test("cells at the end of a column are not next to those of the other", () => {
  // The pit in the north of one column is 100 m away from the south of the next.
  const heights = heightAboveGround(Float32Array.of(0, 100, -50, 9, 0, 0, 9, 100, 0));
  assertEquals(heights, Float32Array.of(0, 0, 50));
});

Deno.test("as a feature it is a logarithm; an attribute of that name comes first", () => {
  const cloud: PointCloud = {
    count: 2,
    origin: [0, 0, 0],
    coords: Float32Array.of(0, 0, 0, 1, 1, 3),
    attributes: new Map(),
  };
  const data = featureAttribute(cloud, "height")!.data;
  assertEquals(Array.from(data), [0, Math.fround(Math.log(4))]);
  const own = { width: 1, data: Float32Array.of(8, 9) };
  assertEquals(
    featureAttribute({ ...cloud, attributes: new Map([["height", own]]) }, "height"),
    own,
  );
});
