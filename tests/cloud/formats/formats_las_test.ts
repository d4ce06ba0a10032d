import { assertAlmostEquals, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { lasReader } from "../../../src/cloud/formats/las/las.ts";
import { parseLasHeader } from "../../../src/cloud/formats/las/las_header.ts";
import { unpackLaz } from "../../../src/cloud/formats/las/laz.ts";
import type { PointCloud } from "../../../src/cloud/point_cloud.ts";
import { DataError } from "../../../src/base/errors.ts";
import { lasFile, lasSample, lazSamples } from "../../support/las_samples.ts";

const read = (bytes: Uint8Array): PointCloud => lasReader.read(bytes, "a.las", {}) as PointCloud;
const unpack = (bytes: Uint8Array): Uint8Array => {
  const header = parseLasHeader(bytes, "a.laz");
  const vlr = header.records.find(({ id }) => id === 22204)!.data;
  return unpackLaz({ bytes, where: "a.laz", vlr, ...header });
};
const changed = (bytes: Uint8Array, at: number, ...values: number[]): Uint8Array => {
  const copy = bytes.slice();
  copy.set(values, at);
  return copy;
};

Deno.test("LAS: coordinates are scaled in double and keep their millimetres", () => {
  const { count, coords, origin } = read(lasSample());
  assertEquals(count, 3);
  for (let i = 0; i < 3; i++) {
    assertAlmostEquals(origin[0] + coords[3 * i], 652_000.5 + i + 0.01, 1e-6);
    assertAlmostEquals(origin[1] + coords[3 * i + 1], 6_800_000 + 2 - 0.01 * i, 1e-6);
    assertAlmostEquals(origin[2] + coords[3 * i + 2], 97, 1e-6);
  }
});

Deno.test("LAS: fields have their names, classification is labels", () => {
  const { attributes } = read(lasSample());
  const values = Object.fromEntries([...attributes].map(([name, { data }]) => [name, [...data]]));
  assertEquals(values, {
    colors: [1, 0, 0, 1, Math.fround(256 / 65535), 0, 1, Math.fround(512 / 65535), 0],
    intensity: [1000, 1001, 1002],
    labels: [2, 3, 4],
    return_number: [1, 2, 3],
    number_of_returns: [2, 2, 2],
    gps_time: [1e5, 1e5 + 0.125, 1e5 + 0.25],
    edge_of_flight_line: [1, 1, 1],
    classification_flags: [2, 2, 2],
    scan_angle: [0, -5, -10],
    point_source_id: [7, 7, 7],
  });
});

Deno.test("LAS: extra bytes go by the names of their record, scaled where it says so", () => {
  const record = new Uint8Array(3 * 192);
  const view = new DataView(record.buffer);
  const describe = (k: number, type: number, options: number, name: string) => {
    record.set([type, options], 192 * k + 2);
    record.set(new TextEncoder().encode(name), 192 * k + 4);
  };
  describe(0, 4, 8 | 16, "height above ground");
  view.setFloat64(112, 0.5, true);
  view.setFloat64(136, -10, true);
  describe(1, 0, 2, "nothing");
  describe(2, 23, 0, "x");
  const records = new Uint8Array(2 * 36);
  for (let i = 0; i < 2; i++) {
    new DataView(records.buffer).setInt16(36 * i + 28, 40 * i, true);
    [1, 2, 3].forEach((value, k) =>
      new DataView(records.buffer).setUint8(36 * i + 32 + k, value + i)
    );
  }
  describe(2, 21, 0, "x");
  const file = lasFile({
    minor: 4,
    format: 1,
    records,
    recordLength: 36,
    vlrs: [["LASF_Spec", 4, record]],
  });
  const { attributes } = read(file);
  assertEquals(attributes.get("height above ground")!.data, Float64Array.of(-10, 10));
  assertEquals(attributes.get("extra_x"), { width: 3, data: Int32Array.of(1, 2, 3, 2, 3, 4) });
});

lazSamples.forEach(({ laz, records }, format) => {
  Deno.test(`LAZ: point format ${format} unpacks to what LASzip unpacks it to`, () => {
    assertEquals(unpack(laz), records);
    const { recordLength, scale, offset, records: vlrs } = parseLasHeader(laz, "a.laz");
    const minor = format > 5 ? 4 : 2;
    const extra = vlrs.filter(({ id }) => id === 4).map(({ user, id, data }) =>
      [user, id, data] as const
    );
    const plain = lasFile({
      minor,
      format,
      records,
      recordLength,
      scale: [...scale],
      offset: [...offset],
      vlrs: extra,
    });
    assertEquals(read(laz), read(plain));
  });
});

Deno.test("LAZ: extra bytes of packed points are read too", () => {
  const { attributes } = read(lazSamples[6].laz);
  assertEquals(attributes.get("direction")!.width, 3);
  assertEquals(attributes.get("reflectance")!.data.length, 45);
  assertEquals(attributes.get("reflectance")!.data.every((v) => v >= -10 && v < 40), true);
});

Deno.test("LAS: what is wrong with a file is said, with the byte", () => {
  const las = lasSample();
  const laz = lazSamples[3].laz;
  const header = parseLasHeader(laz, "a.laz");
  const vlrAt = header.records.find(({ id }) => id === 22204)!.data.byteOffset;
  const cases: [Uint8Array, RegExp][] = [
    [las.slice(0, 100), /\(byte 100\): the LAS header is cut short/],
    [changed(las, 25, 7), /\(byte 24\): LAS version 1\.7: 1\.0 to 1\.4 are read/],
    [changed(las, 94, 9, 0), /\(byte 94\): a header of 9 bytes; LAS 1\.2 has at least 227/],
    [changed(las, 96, 0, 0, 0, 9), /\(byte 96\): the points begin at byte 150994944/],
    [changed(las, 104, 11), /\(byte 104\): point format 11: 0 to 10 are read/],
    [changed(las, 105, 20, 0), /\(byte 105\): points of 20 bytes; point format 3 has at least 34/],
    [changed(las, 107, 255, 255, 255, 255), /declares 4294967295 points .* the file holds 3/],
    [changed(las, 131, 0, 0, 0, 0, 0, 0, 0, 0), /\(byte 131\): scale 0 and offset .* of x/],
    [las.slice(0, -1), /\(byte 328\): the header declares 3 points of 34 bytes .* holds 2/],
    [changed(las, 104, 0x83), /the record "laszip encoded" that says how is missing/],
    [laz.slice(0, -1), /LAZ: table of chunks: the coded data ends too early/],
    [laz.slice(0, 1000), /no table of chunks/],
    [changed(laz, vlrAt, 9), /LAZ: compressor 9 with coder 0 is not known/],
    [changed(laz, vlrAt + 38, 5), /POINT10 version 5 with compressor 2 is not known/],
    [changed(laz, vlrAt + 34, 1), /items of type SHORT are not known/],
    [
      changed(laz, 107, 255, 255, 255, 255),
      /\(byte \d+\): LAZ: .*(its chunks hold|ends too early)/,
    ],
  ];
  for (const [bytes, expected] of cases) {
    const error = assertThrows(() => read(bytes), DataError);
    assertMatch(error.message, expected);
  }
});
