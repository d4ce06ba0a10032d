import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { binReader } from "../../../src/cloud/formats/bin.ts";
import type { ReadOptions } from "../../../src/cloud/formats/reader.ts";
import type { PointCloud } from "../../../src/cloud/point_cloud.ts";
import { Random } from "../../../src/base/random.ts";
import { DataError } from "../../../src/base/errors.ts";

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
  assertEquals(read(positive).count, 20);
  assertEquals(read(positive).notes?.length, 1);
  const named = read(positive, {}, "LIDAR_TOP.pcd.bin");
  assertEquals([named.count, named.notes], [20, undefined]);
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
    [records(1, () => [NaN, 1e9, 2, 3]), {}, /4 float32 values are no records of .*--columns/],
    [records(3, point), { columns: ["x", "y"] }, /9 values are no whole number of records of 2/],
  ];
  for (const [bytes, options, expected] of cases) {
    assertMatch(assertThrows(() => read(bytes, options), DataError).message, expected);
  }
});

const random = new Random(7, "bin");
const scan = (i: number): number[] => {
  const [angle, range] = [i * 0.01, 5 + 7 * random.uniform()];
  return [range * Math.cos(angle), range * Math.sin(angle), random.uniform() - 1.7];
};
const fraction = (): number => random.uniform();
const byte = (): number => Math.floor(256 * random.uniform());
const unit = (i: number): number[] => {
  const [x, y] = [Math.sin(i), Math.cos(3 * i)].map((v) => 0.6 * v);
  return [x, y, Math.sqrt(1 - x * x - y * y)];
};

Deno.test("bin: three to ten columns are told apart by what they look like, and the guess is said", () => {
  const rows = 840; // 3 to 8 and 10 divide any number of columns of it
  const layouts: [(i: number) => number[], string[]][] = [
    [() => [], []],
    [() => [fraction()], ["intensity"]],
    [() => [-5 - fraction()], ["column_4"]],
    [() => [fraction(), 0.3 * fraction()], ["column_4", "column_5"]],
    [(i) => [100 * fraction(), i % 64], ["intensity", "ring"]],
    [() => [fraction(), 2 * fraction(), -1], ["column_4", "column_5", "column_6"]],
    [() => [byte(), byte(), byte()], ["colors"]],
    [unit, ["normals"]],
    [(i) => [fraction(), i % 64, i * 1e-3, 3], [
      "column_4",
      "column_5",
      "column_6",
      "column_7",
    ]],
    [(i) => [byte(), byte(), byte(), ...unit(i)], ["normals", "colors"]],
    [(i) => [byte(), byte(), byte(), ...unit(i), 4], ["normals", "colors", "column_10"]],
  ];
  for (const [more, expected] of layouts) {
    const cloud = read(records(rows, (i) => [...scan(i), ...more(i)]));
    assertEquals([cloud.count, names(cloud)], [rows, expected]);
    assertMatch(cloud.notes![0], /by their values they are taken for x,y,z.*--columns/);
  }
});

Deno.test("bin: files of six columns are never twice as many points of three", () => {
  for (const [name, count] of [["waymo6", 600], ["xyzrgb_float01", 64]] as const) {
    const path = new URL(`../../fixtures/cases/07_bin/${name}.bin`, import.meta.url);
    const cloud = read(Deno.readFileSync(path), {}, `${name}.bin`);
    assertEquals([cloud.count, cloud.attributes.has("intensity")], [count, false]);
  }
});

Deno.test("bin: where the values do not decide, the layouts that fit are named and asked for", () => {
  const same = records(60, () => [1, 2, 3].map(() => random.uniform()));
  const error = assertThrows(() => read(same), DataError);
  assertMatch(error.message, /60 points of 3 values \(x,y,z\), 45 points of 4 .*--columns/);
  assertEquals(read(same, { columns: ["x", "y", "z"] }).count, 60);
});
