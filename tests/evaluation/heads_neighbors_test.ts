import { assertEquals } from "@std/assert";
import { Random } from "../../src/base/random.ts";
import { predictNeighbors } from "../../src/evaluation/heads/neighbors.ts";
import { deviceTest, testDevice } from "../support/device.ts";

const circle = (degrees: readonly number[]) =>
  Float32Array.from(degrees.flatMap((angle) => {
    const radians = angle * Math.PI / 180;
    return [Math.cos(radians), Math.sin(radians)];
  }));

deviceTest("of classes with as many neighbours the one with the nearest wins", async () => {
  const device = await testDevice();
  // Opposite pairs, so that the mean is 0 and both columns have the same deviation.
  const train = {
    values: circle([0, 90, 180, 270, 10, 100, 190, 280]),
    width: 2,
    labels: Uint32Array.of(0, 1, 2, 1, 3, 0, 2, 3),
  };
  const queries = { values: circle([4, 96, 185]), width: 2 };
  const [one, two, four, all] = await predictNeighbors(device, train, queries, 4, [1, 2, 4, 99]);
  assertEquals([...one], [0, 0, 2]); // nearest: 0°, 100°, 180° or 190° (the same class)
  assertEquals([...two], [0, 0, 2]); // 0° and 10° of two classes: the nearer
  // Of 4° these are 0°, 10°, 280°, 90°: classes 0, 3, 3, 1. Of 96°: 100°, 90°, 10° or 180°: 0, 1, 2
  // or 3, then 0.
  assertEquals(four[0], 3);
  assertEquals(four[2], 2);
  assertEquals([...all], [0, 0, 2]); // every class twice: the one with the nearest
});

deviceTest(
  "neighbours are those of a search by the definition, over windows of queries",
  async () => {
    const device = await testDevice();
    const random = new Random(5, "neighbours");
    const rows = 1500, count = 70, width = 7;
    const values = (n: number) => random.fillNormal(new Float32Array(n * width), 2, 3);
    const train = {
      values: values(count),
      width,
      labels: Uint32Array.from({ length: count }, () => random.int(3)),
    };
    const table = { values: values(rows), width };
    const [predicted] = await predictNeighbors(device, train, table, 3, [5]);
    const mean = Array.from({ length: width }, (_, c) => {
      let sum = 0;
      for (let r = 0; r < count; r++) sum += train.values[r * width + c];
      return sum / count;
    });
    const deviation = mean.map((m, c) => {
      let sum = 0;
      for (let r = 0; r < count; r++) sum += (train.values[r * width + c] - m) ** 2;
      return Math.sqrt(sum / count);
    });
    const row = (all: Float32Array, r: number) =>
      mean.map((m, c) => (all[r * width + c] - m) / deviation[c]);
    let different = 0;
    for (let q = 0; q < rows; q += 7) {
      const x = row(table.values, q);
      const near = Array.from({ length: count }, (_, r) => {
        const y = row(train.values, r);
        const dot = x.reduce((sum, v, c) => sum + v * y[c], 0);
        return { r, cosine: dot / Math.hypot(...x) / Math.hypot(...y) };
      }).sort((a, b) => b.cosine - a.cosine).slice(0, 5);
      const votes = [0, 0, 0];
      for (const { r } of near) votes[train.labels[r]]++;
      const most = Math.max(...votes);
      const label = train.labels[near.find(({ r }) => votes[train.labels[r]] === most)!.r];
      if (label !== predicted[q]) different++;
    }
    assertEquals(different, 0);
  },
);
