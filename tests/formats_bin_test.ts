import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { binReader } from "../src/data/formats/bin.ts";
import type { ReadOptions } from "../src/data/formats/reader.ts";
import type { PointCloud } from "../src/data/point_cloud.ts";
import { DataError } from "../src/errors.ts";

function records(rows: number, row: (i: number) => number[]): Uint8Array {
  return new Uint8Array(
    Float32Array.from(Array.from({ length: rows }, (_, i) => row(i)).flat()).buffer,
  );
}
const read = (bytes: Uint8Array, options: ReadOptions = {}, name = "000008.bin"): PointCloud =>
  binReader.read(bytes, name, options) as PointCloud;
const names = (cloud: PointCloud): string[] => [...cloud.attributes.keys()];
const point = (i: number): number[] => [i - 7.5, 4 - i / 3, -1.5 - i / 8];

Deno.test("bin: KITTI's four columns, nuScenes' five, plain three", () => {
  const kitti = read(records(15, (i) => [...point(i), i / 15]));
  assertEquals([kitti.count, names(kitti)], [15, ["intensity"]]);
  assertEquals([...kitti.coords.subarray(3, 6)], point(1).map(Math.fround));
  const nuscenes = read(records(12, (i) => [...point(i), 20 * i, i % 32]));
  assertEquals([nuscenes.count, names(nuscenes)], [12, ["intensity", "ring"]]);
  const plain = read(records(20, point));
  assertEquals([plain.count, names(plain)], [20, []]);
});

Deno.test("bin: a name that ends in .pcd.bin prefers nuScenes' columns", () => {
  const positive = records(20, (i) => [1 + i, 2, 3, 4, 5]);
  assertEquals(read(positive).count, 25);
  assertEquals(read(positive, {}, "LIDAR_TOP.pcd.bin").count, 20);
});

Deno.test("bin: given columns are taken as they are, _ skips one", () => {
  const cloud = read(records(6, (i) => [-i, ...point(i), 1e9]), {
    columns: ["t", "x", "y", "z", "_"],
  });
  assertEquals([cloud.count, names(cloud)], [6, ["t"]]);
  assertEquals([...cloud.coords.subarray(0, 3)], [-7.5, 4, -1.5]);
});

Deno.test("bin: a stray NaN does not hide the layout", () => {
  const cloud = read(records(200, (i) => [...point(i), i === 7 ? NaN : 0.5]));
  assertEquals([cloud.count, names(cloud)], [200, ["intensity"]]);
});

Deno.test("bin: colours of six columns, cells without a return, intensities of 16 bits", () => {
  const colored = read(records(16, (i) => [...point(i), i, 255 - i, 17 * (i % 16)]));
  assertEquals([colored.count, names(colored)], [16, ["colors"]]);
  const holes = read(
    records(21, (i) => [...(i % 3 === 0 ? [NaN, NaN, NaN] : point(i)), 60000 - i]),
  );
  assertEquals([holes.count, names(holes)], [21, ["intensity"]]);
});

Deno.test("bin: what fits no layout asks for the columns", () => {
  const cases: [Uint8Array, ReadOptions, RegExp][] = [
    [new Uint8Array(10), {}, /\(byte 8\): 10 bytes are no whole number of float32 values/],
    [
      records(7, (i) => [...point(i), -1]),
      {},
      /28 float32 values are neither .*\(option columns\)/,
    ],
    [records(1, () => [NaN, 1e9, 2, 3]), {}, /4 float32 values are neither x y z red/],
    [records(3, point), { columns: ["x", "y"] }, /9 values are no whole number of records of 2/],
  ];
  for (const [bytes, options, expected] of cases) {
    assertMatch(assertThrows(() => read(bytes, options), DataError).message, expected);
  }
});
