import { assertEquals } from "@std/assert";
import { rounds } from "../../src/model/fused/weights/gradient_places.ts";
import {
  gradientTargets,
  NOTHING,
  programLayout,
} from "../../src/model/fused/plan/program_layout.ts";

Deno.test("items that claim the same place come in different rounds, each as early as it can", () => {
  const items = [[1, 2], [3], [2, 4], [4], [3, 2], []];
  assertEquals(rounds(items, (item) => item), [[[1, 2], [3], [4], []], [[2, 4]], [[3, 2]]]);
  assertEquals(rounds([], () => []), []);
});

Deno.test("every sum of a program has the place of its weight, γ or β, what fills up has none", () => {
  // Three outputs of five columns at 100, rows 7 apart, and a bias column at 200; γ at 300, β at
  // 400.
  const layer = {
    parts: [
      { at: 100, stride: 7, columns: 5, width: 8 },
      { at: 200, stride: 1, columns: 1, width: 4 },
    ],
    outs: 3,
    inBlocks: 3,
    mainBlocks: 2,
    extraFirst: 0,
    extraCount: 1,
    gradientBlocks: 2,
    norm: { gamma: 300, beta: 400, gelu: false },
  };
  const layout = programLayout([layer]);
  const targets = gradientTargets({ layers: [layer] }, layout);
  assertEquals(targets.length, layout.sums);
  const row = (o: number) => [
    ...Array.from({ length: 5 }, (_, i) => 100 + 7 * o + i),
    ...[NOTHING, NOTHING, NOTHING],
    200 + o,
    ...[NOTHING, NOTHING, NOTHING],
  ];
  const weights = layout.weightSums[0];
  assertEquals([...targets.subarray(weights, weights + 36)], [...row(0), ...row(1), ...row(2)]);
  const norms = layout.normSums[0];
  assertEquals(
    [...targets.subarray(norms, norms + 8)],
    [300, 301, 302, NOTHING, 400, 401, 402, NOTHING],
  );
  assertEquals(targets.filter((place) => place !== NOTHING).length, 3 * 6 + 6);
});
