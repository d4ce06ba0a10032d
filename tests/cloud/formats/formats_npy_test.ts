import { assertAlmostEquals, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { npyReader, npzReader } from "../../../src/cloud/formats/numpy/npy.ts";
import type { ReadOptions } from "../../../src/cloud/formats/reader.ts";
import type { PointCloud } from "../../../src/cloud/point_cloud.ts";
import { DataError } from "../../../src/base/errors.ts";
import { concat, npyFile, zipFile } from "../../support/npy_samples.ts";

const XYZ = Float32Array.from({ length: 15 }, (_, i) => i / 4 - 1);
const npy = async (bytes: Uint8Array, options: ReadOptions = {}): Promise<PointCloud> =>
  await npyReader.read(bytes, "a.npy", options);
const npz = async (files: Record<string, Uint8Array>, packed = false): Promise<PointCloud> =>
  await npzReader.read(zipFile(files, packed), "a.npz", {});
const names = ({ attributes }: PointCloud): string[] => [...attributes.keys()];
const swapped = (array: Float32Array | Float64Array | Int32Array): Uint8Array => {
  const bytes = new Uint8Array(array.buffer.slice(0)) as Uint8Array<ArrayBuffer>;
  const size = array.BYTES_PER_ELEMENT;
  for (let i = 0; i < bytes.length; i += size) bytes.subarray(i, i + size).reverse();
  return bytes;
};

Deno.test("NPY: (N, 3) in every element type, order, layout and version", async () => {
  const whole = Float32Array.from({ length: 15 }, (_, i) => i - 7);
  const transposed = Float32Array.from(
    { length: 15 },
    (_, i) => XYZ[(i % 5) * 3 + Math.floor(i / 5)],
  );
  const halves = new DataView(new ArrayBuffer(30));
  XYZ.forEach((value, i) => halves.setFloat16(2 * i, value, true));
  const cases: [Uint8Array, Float32Array][] = [
    [npyFile("'<f4'", "(5, 3)", XYZ), XYZ],
    [npyFile("'<f4'", "(5, 3)", XYZ, { version: 2 }), XYZ],
    [npyFile("'<f4'", "(5, 3)", XYZ, { version: 3 }), XYZ],
    [npyFile("'>f4'", "(5, 3)", swapped(XYZ)), XYZ],
    [npyFile("'<f4'", "(5, 3)", transposed, { fortran: true }), XYZ],
    [npyFile("'<f8'", "(5, 3)", Float64Array.from(XYZ)), XYZ],
    [npyFile("'>f8'", "(5, 3)", swapped(Float64Array.from(XYZ))), XYZ],
    [npyFile("'<f2'", "(5, 3)", halves), XYZ],
    [npyFile("'|i1'", "(5, 3)", Int8Array.from(whole)), whole],
    [npyFile("'<i2'", "(5, 3)", Int16Array.from(whole)), whole],
    [npyFile("'>i4'", "(5, 3)", swapped(Int32Array.from(whole))), whole],
    [npyFile("'<i8'", "(5, 3)", BigInt64Array.from([...whole].map(BigInt))), whole],
  ];
  for (const [bytes, expected] of cases) {
    const cloud = await npy(bytes);
    assertEquals([cloud.count, cloud.coords, names(cloud)], [5, expected, []]);
  }
});

Deno.test("NPY: georeferenced doubles keep their millimetres", async () => {
  const far = Float64Array.from(
    { length: 9 },
    (_, i) => [652_000, 5_648_000, 200][i % 3] + i * 0.001,
  );
  const { coords, origin } = await npy(npyFile("'<f8'", "(3, 3)", far));
  far.forEach((value, i) => assertAlmostEquals(origin[i % 3] + coords[i], value, 1e-6));
});

Deno.test("NPY: columns past the third are known by their values, or named", async () => {
  const rows = (width: number, row: (i: number) => number[]) =>
    npyFile(
      "'<f4'",
      `(9, ${width})`,
      Float32Array.from({ length: 9 * width }, (_, i) => row(Math.floor(i / width))[i % width]),
    );
  const xyz = (i: number) => [i / 3, i / 2 - 9, -i];
  const kitti = await npy(rows(4, (i) => [...xyz(i), i / 9]));
  assertEquals(names(kitti), ["intensity"]);
  const normal = await npy(rows(6, (i) => [...xyz(i), 0.6, -0.8, 0]));
  assertEquals(names(normal), ["normals"]);
  const color = await npy(rows(7, (i) => [...xyz(i), 10 * i, 255, 0, 99.5]));
  assertEquals(color.attributes.get("colors")!.data[3], Math.fround(10 / 255));
  const labelled = await npy(rows(7, (i) => [...xyz(i), 20 * i, 255, 0, i % 4]));
  assertEquals(names(labelled), ["colors", "labels"]);
  assertEquals([...labelled.attributes.get("labels")!.data], [0, 1, 2, 3, 0, 1, 2, 3, 0]);
  const given = await npy(rows(5, (i) => [...xyz(i), 7, i]), {
    columns: ["z", "y", "x", "_", "ring"],
  });
  assertEquals([...given.coords.subarray(3, 6)], [-1, -8.5, Math.fround(1 / 3)]);
  assertEquals(names(given), ["ring"]);
});

Deno.test("NPY: records give their fields by name", async () => {
  const size = 12 + 3 + 1 + 8 + 4;
  const data = new DataView(new ArrayBuffer(2 * size));
  for (let i = 0; i < 2; i++) {
    [1.5, 2.5 + i, 3.5].forEach((value, k) => data.setFloat32(i * size + 4 * k, value, true));
    [255, 0, 51].forEach((value, k) => data.setUint8(i * size + 12 + k, value));
    data.setFloat64(i * size + 16, 1e9 + i, true);
    data.setInt32(i * size + 24, i, true);
  }
  const descr =
    "[('x', '<f4'), ('y', '<f4'), ('z', '<f4'), ('red', '|u1'), ('green', '|u1'), ('blue', '|u1'), " +
    "('', '|V1'), ('time', '<f8'), ('extra', [('flag', '<i2', (2,))])]";
  const { coords, attributes } = await npy(npyFile(descr, "(2,)", data));
  assertEquals([...coords], [1.5, 2.5, 3.5, 1.5, 3.5, 3.5]);
  assertEquals([...attributes.get("colors")!.data].slice(0, 3), [1, 0, Math.fround(0.2)]);
  assertEquals([...attributes.get("time")!.data], [1e9, 1e9 + 1]);
  assertEquals(attributes.get("extra.flag"), { width: 2, data: Int32Array.of(0, 0, 1, 0) });
});

Deno.test("NPY: records may hold the coordinates in one field", async () => {
  const descr = "[('xyz', '<f4', (3,)), ('label', '<f4')]";
  const cloud = await npy(npyFile(descr, "(2,)", Float32Array.of(1, 2, 3, 7, 4, 5, 6, 8)));
  assertEquals([...cloud.coords], [1, 2, 3, 4, 5, 6]);
  assertEquals([...cloud.attributes.get("labels")!.data], [7, 8]);
});

Deno.test("NPY: what is no point cloud is refused with the reason", async () => {
  const grid = new Float32Array(10_000);
  const cases: [Uint8Array, RegExp][] = [
    [npyFile("'<f4'", "(15,)", XYZ), /expected shape \(points, 3\).* got \(15\)/],
    [npyFile("'<f4'", "(100, 100)", grid), /up to 16 columns, got \(100, 100\)/],
    [npyFile("'<f4'", "(1, 5, 3)", XYZ), /got \(1, 5, 3\)/],
    [
      npyFile("'|O'", "(5, 3)", XYZ),
      /\(byte 0\): the elements are Python objects \(dtype \|O\), which are not read/,
    ],
    [npyFile("[('X', '<u2'), ('H', '<f8')]", "(1,)", XYZ), /there is no y among X, H/],
    [
      npyFile("'<f4'", "(6, 3)", XYZ),
      /\(byte \d+\): shape \(6, 3\) of 4 bytes each needs 72 bytes/,
    ],
    [npyFile("'<f4'", "(5000000000, 3)", XYZ), /needs 60000000000 bytes/],
    [npyFile("'<U4'", "(1, 3)", XYZ), /the elements are no numbers \(dtype "<U4"\)/],
    [npyFile("'<f4'", "(5, -3)", XYZ), /\(byte \d+\): NPY header: expected a value/],
    [npyFile("'<c8'", "(1, 3)", XYZ), /no numbers/],
    [npyFile("'<f4'", "(5, 3)", XYZ, { version: 4 }), /\(byte 6\): NPY version 4: 1 to 3 are read/],
    [npyFile("[('x', '|V0')]", "(9000000000,)", XYZ), /needs 0 bytes/],
  ];
  for (const [bytes, expected] of cases) {
    const error = await assertRejects(() => npy(bytes), DataError);
    assertMatch(error.message, expected);
  }
});

Deno.test("NPZ: arrays by name, stored or deflated", async () => {
  const files = {
    "pos.npy": npyFile("'<f4'", "(5, 3)", XYZ),
    "normal.npy": npyFile("'<f4'", "(5, 3)", Float32Array.from(XYZ, (_, i) => i % 3 === 2 ? 1 : 0)),
    "color.npy": npyFile("'|u1'", "(5, 3)", Uint8Array.from(XYZ, (_, i) => 17 * i)),
    "y.npy": npyFile("'<i8'", "(5,)", BigInt64Array.of(4n, 3n, 2n, 1n, 0n)),
    "curvature.npy": npyFile("'<f8'", "(5, 2)", new Float64Array(10)),
    "name.npy": npyFile("'<U4'", "()", new Uint8Array(16)),
    "meta.npy": npyFile("'|O'", "()", new Uint8Array(37)),
    "readme.txt": new Uint8Array(3),
    "faces.npy": npyFile("'<i4'", "(2, 3)", Int32Array.of(0, 1, 2, 4, 3, 2)),
  };
  for (const packed of [false, true]) {
    const cloud = await npz(files, packed);
    assertEquals(cloud.coords, XYZ);
    assertEquals(names(cloud), ["normals", "colors", "labels", "curvature"]);
    assertEquals(cloud.attributes.get("labels")!.data, Int32Array.of(4, 3, 2, 1, 0));
    assertEquals(cloud.attributes.get("colors")!.data[15 - 1], Math.fround(238 / 255));
    assertEquals(cloud.triangles, Uint32Array.of(0, 1, 2, 4, 3, 2));
  }
});

Deno.test("NPZ: a single array may have any name; separate axes and records too", async () => {
  assertEquals((await npz({ "arr_0.npy": npyFile("'<f4'", "(5, 3)", XYZ) })).coords, XYZ);
  const axis = (k: number) => npyFile("'<f4'", "(5,)", XYZ.filter((_, i) => i % 3 === k));
  const split = await npz({ "x.npy": axis(0), "y.npy": axis(1), "z.npy": axis(2) });
  assertEquals(split.coords, XYZ);
  const records = await npz({
    "points.npy": npyFile("[('x', '<f4'), ('y', '<f4'), ('z', '<f4')]", "(5,)", XYZ),
    "mesh.npy": npyFile(
      "[('v1', '<i4'), ('v2', '<i4'), ('v3', '<i4')]",
      "(1,)",
      Int32Array.of(0, 1, 4),
    ),
  });
  assertEquals([records.coords, records.triangles], [XYZ, Uint32Array.of(0, 1, 4)]);
});

Deno.test("NPZ: what is wrong with one is said", async () => {
  const xyz = npyFile("'<f4'", "(5, 3)", XYZ);
  const two = await assertRejects(() => npz({ "a.npy": xyz, "b.npy": xyz }), DataError);
  assertMatch(two.message, /holds no coordinates: .* it holds a \(5, 3\), b \(5, 3\)/);
  const normals = npyFile("'<f4'", "(4, 3)", XYZ.subarray(0, 12));
  const wrong = await assertRejects(
    () => npz({ "xyz.npy": xyz, "normals.npy": normals }),
    DataError,
  );
  assertMatch(wrong.message, /normals: expected shape \(5, 3\), got \(4, 3\)/);
  const faces = npyFile("'<i4'", "(1, 3)", Int32Array.of(0, 5, 1));
  const outside = await assertRejects(() => npz({ "xyz.npy": xyz, "faces.npy": faces }), DataError);
  assertMatch(outside.message, /faces: row 0 names vertex 5; there are 5/);
  const damaged = zipFile({ "xyz.npy": xyz });
  damaged[damaged.indexOf(0x93) + 100] ^= 1;
  const read = async (bytes: Uint8Array) => await npzReader.read(bytes, "a.npz", {});
  const crc = await assertRejects(() => read(damaged), DataError);
  assertMatch(crc.message, /\(byte 0\): zip entry "xyz.npy": its CRC-32 is wrong/);
  const cut = await assertRejects(() => read(zipFile({ "xyz.npy": xyz }).slice(0, 200)), DataError);
  assertMatch(cut.message, /no directory at its end: the file was cut short/);
  const bomb = zipFile({ "xyz.npy": xyz }, true);
  new DataView(bomb.buffer).setUint32(bomb.length - 22 - 46 - 7 + 24, 3e9, true);
  const claimed = await assertRejects(() => read(bomb), DataError);
  assertMatch(claimed.message, /cannot unpack to 3000000000 bytes out of \d+/);
  // Deflate could, but no scan is that empty.
  const noise = Uint8Array.from({ length: 400_000 }, (_, i) => Math.imul(i, 2654435761) >>> 13);
  const empty = zipFile({ "xyz.npy": noise }, true);
  new DataView(empty.buffer).setUint32(empty.length - 22 - 46 - 7 + 24, 3e8, true);
  const large = await assertRejects(() => read(empty), DataError);
  assertMatch(large.message, /cannot unpack to 300000000 bytes out of \d+/);
  const trailing = concat([zipFile({ "xyz.npy": xyz }), new Uint8Array(9)]);
  assertEquals((await npzReader.read(trailing, "a.npz", {})).count, 5);
});

Deno.test("NPZ: a stack of clouds asks which; an array of another name may be named", async () => {
  const stack = Float32Array.from({ length: 24 }, (_, i) => i);
  const files = {
    "points.npy": npyFile("'<f4'", "(2, 4, 3)", stack),
    "labels.npy": npyFile("'<i4'", "(2, 4)", Int32Array.of(0, 1, 2, 3, 4, 5, 6, 7)),
    "names.npy": npyFile("'<i4'", "(5,)", new Int32Array(5)),
  };
  const read = async (options: ReadOptions, of: Record<string, Uint8Array> = files) =>
    await npzReader.read(zipFile(of), "a.npz", options);
  const refused = async (
    options: ReadOptions,
    message: RegExp,
    of?: Record<string, Uint8Array>,
  ) => {
    assertMatch((await assertRejects(() => read(options, of), DataError)).message, message);
  };
  await refused({}, /points is a stack of 2 clouds \(2, 4, 3\)\. Name one .*--cloud N/);
  await refused({ cloud: 2 }, /2 clouds \(2, 4, 3\), and 2 is none of them/);
  const second = await read({ cloud: 1 });
  assertEquals([...second.coords], [...stack.subarray(12)]);
  assertEquals([...second.attributes.get("labels")!.data], [4, 5, 6, 7]);
  const alone = { "data.npy": files["points.npy"] };
  assertEquals((await read({ cloud: 0 }, alone)).count, 4);
  await refused({}, /data is a stack of 2 clouds/, alone);

  const others = {
    "vertices_world.npy": npyFile("'<f4'", "(5, 3)", XYZ),
    "other.npy": files["names.npy"],
  };
  await refused(
    {},
    /holds no coordinates: .*--array NAME.*it holds vertices_world \(5, 3\)/,
    others,
  );
  await refused({ array: "none" }, /expected an array named none; it holds/, others);
  assertEquals((await read({ array: "vertices_world" }, others)).coords, XYZ);
});
