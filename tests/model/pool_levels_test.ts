import { assertAlmostEquals, assertEquals } from "@std/assert";
import { Random } from "../../src/base/random.ts";
import { poolLevels } from "../../src/model/pool_levels.ts";
import { uploadBatch } from "../../src/model/region_batch.ts";
import { buildBatch } from "../../src/scenes/batches/batch_builder.ts";
import { tensor } from "../../src/tensor/mod.ts";
import { deviceTest, testDevice } from "../support/device.ts";
import { withStrays } from "../support/strays.ts";
import { tinyRooms } from "../support/training.ts";

deviceTest(
  "regions of every level are pooled over their points, points in no leaf too",
  async () => {
    const device = await testDevice();
    const scenes = [await tinyRooms(1, 0, 1400).get(0), withStrays()];
    const batch = buildBatch(
      scenes.map((scene) => ({ scene, view1: scene, view2: scene })),
      { maxHierarchyDepth: null },
    );
    using _ = device.scope();
    const points = batch.pointCount, width = 3;
    const values = new Random(4).fillNormal(new Float32Array(points * width));
    const onDevice = uploadBatch(device, batch);
    const x = tensor(device, values, [points, width]);
    for (const mode of ["max", "mean"] as const) {
      const levels = poolLevels(x, onDevice, mode);
      assertEquals(levels.length, batch.levels.length);
      for (const [l, { start, end }] of batch.levels.entries()) {
        const got = await levels[l].data();
        assertEquals(got.length, start.length * width);
        for (const [r, first] of start.entries()) {
          for (let c = 0; c < width; c++) {
            const own = Array.from(
              { length: end[r] - first },
              (_, i) => values[(first + i) * width + c],
            );
            const expected = mode === "max"
              ? Math.max(...own)
              : own.reduce((a, b) => a + b) / own.length;
            assertAlmostEquals(got[r * width + c], expected, 1e-5, `${mode} ${l} ${r} ${c}`);
          }
        }
      }
    }
    // What was made in a scope that has ended is made again.
    {
      using _inner = device.scope();
      poolLevels(x, uploadBatch(device, batch), "max");
    }
    const again = await poolLevels(x, onDevice, "max")[0].data();
    assertEquals(again, await poolLevels(x, onDevice, "max")[0].data());
  },
);
