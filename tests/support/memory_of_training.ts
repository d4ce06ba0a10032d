/**
 * Trains 300 small steps in a process of its own (test files share one) and prints its memory after step 10, 200 and
 * 300, one JSON object a line.
 */

import { tinyRooms, tinyTrainer } from "./training.ts";

if (import.meta.main) {
  const values = { num_epochs: 1000, max_hierarchy_depth: 1 };
  using trainer = await tinyTrainer(values, { train: tinyRooms(4, 0, 61) });
  const batch = await trainer.nextBatch();
  for (let step = 1; step <= 300; step++) {
    await trainer.trainStep(batch);
    if (step === 10 || step === 200 || step === 300) {
      const { live, buffers } = trainer.device.pool.usage;
      console.log(JSON.stringify({ live, buffers, rss: Deno.memoryUsage().rss }));
    }
  }
}
