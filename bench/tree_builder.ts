/**
 * How long the tree builder takes: `deno run bench/tree_builder.ts`. Default options (branching 8,
 * depth 4, min_points 32) on a synthetic room-like cloud; best of three, one core.
 *
 * Measured with Deno 2.9.6 on one Zen 5 core (a busy machine), linear in points:
 *
 *       points  regions  seconds  ns per point
 *       10,000      617   0.0019           191
 *       30,000    1,897   0.0049           163
 *      100,000    3,977   0.0181           181
 *      300,000    4,585   0.0651           217
 *    1,000,000    4,681   0.2144           214
 *    3,000,000    4,665   0.6808           227
 */

import { say } from "../src/base/terminal.ts";
import { Random } from "../src/base/random.ts";
import { buildTree } from "../src/scenes/tree_builder.ts";

/** Points on the floor, the walls and the furniture of a 10 × 8 × 3 m room, in random order. */
function room(count: number): Float32Array {
  const random = new Random(1, "bench", count);
  const coords = new Float32Array(3 * count);
  for (let at = 0; at < coords.length; at += 3) {
    const x = random.uniform(0, 10), y = random.uniform(0, 8), z = random.uniform(0, 3);
    const surface = random.int(4);
    const block = Math.floor(x) + Math.floor(y);
    coords.set(
      surface === 0
        ? [x, y, 0]
        : surface === 1
        ? [x, 8 * (block % 2), z]
        : surface === 2
        ? [10 * (block % 2), y, z]
        : [x, y, 0.2 * (block % 7)],
      at,
    );
  }
  return coords;
}

if (import.meta.main) {
  say("   points  regions  seconds  ns per point");
  for (const count of [10_000, 30_000, 100_000, 300_000, 1_000_000, 3_000_000]) {
    const coords = room(count);
    let best = Infinity, regions = 0;
    for (let trial = 0; trial < 3; trial++) {
      const began = performance.now();
      regions = buildTree(coords).level.length;
      best = Math.min(best, (performance.now() - began) / 1000);
    }
    const cells = [
      String(count).padStart(9),
      String(regions).padStart(8),
      best.toFixed(4).padStart(8),
      (best / count * 1e9).toFixed(0).padStart(13),
    ];
    say(cells.join(" "));
  }
}
