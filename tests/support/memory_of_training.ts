/**
 * Trains small steps in a process of its own (test files share one) and prints its memory after
 * some of them, one JSON object a line. Arguments: settings that differ from those of small
 * trainings, points of a room, steps to print after.
 */

import { tinyRooms, tinyTrainer } from "./training.ts";

if (import.meta.main) {
  const [settings, points, ...after] = Deno.args;
  const values = { num_epochs: 1000, max_hierarchy_depth: 1, ...JSON.parse(settings) };
  using trainer = await tinyTrainer(values, { train: tinyRooms(4, 0, Number(points)) });
  const batch = await trainer.nextBatch();
  for (let step = 1; step <= Number(after.at(-1)); step++) {
    await trainer.trainStep(batch);
    if (after.includes(String(step))) {
      const { live, buffers } = trainer.device.pool.usage;
      console.log(JSON.stringify({ live, buffers, rss: Deno.memoryUsage().rss }));
    }
  }
}
