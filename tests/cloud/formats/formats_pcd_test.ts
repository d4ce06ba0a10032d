import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { decompressLzf } from "../../../src/cloud/formats/pcd/lzf.ts";
import { readPointCloudBytes } from "../../../src/cloud/formats/registry.ts";
import { DataError } from "../../../src/base/errors.ts";
import {
  compressLzf,
  joinBytes,
  pack,
  pcdSample,
  samplePoint,
  textBytes,
} from "../../support/format_samples.ts";

const refused = async (content: string | Uint8Array, message: RegExp): Promise<void> => {
  const bytes = typeof content === "string" ? textBytes(content) : content;
  const error = await assertRejects(() => readPointCloudBytes(bytes, "a.pcd"), DataError);
  assertMatch(error.message, message);
};

for (const data of ["ascii", "binary", "binary_compressed"] as const) {
  Deno.test(`PCD ${data}: fields of any size and count, packed colours, padding`, async () => {
    const cloud = await readPointCloudBytes(pcdSample(data), "a.pcd");
    const points = Array.from({ length: 5 }, (_, i) => samplePoint(i));
    assertEquals(cloud.count, 5);
    assertEquals([...cloud.coords], points.flatMap(({ xyz }) => xyz));
    assertEquals([...cloud.attributes.keys()], ["colors", "labels", "scores"]);
    assertEquals(
      cloud.attributes.get("colors")!.data,
      Float32Array.from(points.flatMap(({ rgb }) => rgb.map((c) => c / 255))),
    );
    assertEquals(cloud.attributes.get("labels")!.data, Int32Array.from(points, (p) => p.label));
    assertEquals(
      cloud.attributes.get("scores"),
      { width: 2, data: Float32Array.of(0, -0, 0.5, -1, 1, -2, 1.5, -3, 2, -4) },
    );
  });
}

const HEADER = "VERSION 0.7\nFIELDS X Y Z\nSIZE 4 4 4\nTYPE F F F\nCOUNT 1 1 1\n";

Deno.test("PCD: an old header without sizes, comma separated rows, more digits than float32", async () => {
  const cloud = await readPointCloudBytes(
    textBytes(
      "VERSION .5\nCOLUMNS X Y Z\nPOINTS 2\nDATA ascii\n289814.15,4320978.61,170.76\n289815.12 , 4320979.06 nan\n",
    ),
    "scan",
  );
  assertEquals(cloud.count, 2);
  assertEquals((cloud.origin[1] + cloud.coords[1]).toFixed(4), "4320978.6100");
  assertEquals((cloud.origin[0] + cloud.coords[3]).toFixed(4), "289815.1200");
  assertEquals(cloud.coords[5], NaN);
});

Deno.test("PCD: WIDTH times HEIGHT where POINTS is missing, rgb as an integer, rgba with its alpha", async () => {
  const cloud = await readPointCloudBytes(
    textBytes(
      "FIELDS x y z rgba\nSIZE 4 4 4 4\nTYPE F F F U\nWIDTH 2\nHEIGHT 1\nDATA ascii\n0 0 0 4278190335\n1 1 1 2164162304\n",
    ),
    "a.pcd",
  );
  assertEquals(
    cloud.attributes.get("colors")!.data,
    Float32Array.of(0, 0, 1, 254 / 255, 127 / 255, 0),
  );
  assertEquals([...cloud.attributes.get("alpha")!.data], [255, 128]);
});

Deno.test("PCD: refuses what is wrong and says where", async () => {
  await refused("289814.15 4320978.61 170.76\n", /a\.pcd \(line 1\): expected a PCD header line/);
  await refused("# .PCD\nVERSION .7\nFIEL\n", /line 3\).*"FIEL"/);
  await refused("VERSION .7\nFIELDS x y z\n", /line 3\): the header has no line DATA/);
  await refused(
    `${HEADER}WIDTH 3\nHEIGHT 1\nPOINTS 3\nDATA ascii\n0 0 0\n1 1 1\n`,
    /declares 3 points, the file holds 2/,
  );
  await refused(
    `${HEADER}WIDTH 3\nHEIGHT 2\nPOINTS 3\nDATA ascii\n`,
    /line 8\): POINTS 3 is not WIDTH times HEIGHT, 6/,
  );
  await refused(`${HEADER}POINTS 99999999999\nDATA ascii\n0 0 0\n`, /declares 99999999999 points/);
  await refused(
    `${HEADER}POINTS 99999999999\nDATA binary\n0 0 0\n`,
    /declares 99999999999 points of 12 bytes, the file holds 0/,
  );
  await refused(`${HEADER}POINTS 1\nDATA zip\n`, /line 7\).*"zip"/);
  await refused(
    `${HEADER}POINTS 1\nDATA ascii\n0 0\n`,
    /line 8\): 1 points of 3 values do not fit into the 4 bytes left/,
  );
  await refused(
    HEADER.replace("4 4 4", "4 4") + "POINTS 1\nDATA ascii\n0 0 0\n",
    /line 3\): SIZE has 2 entries, FIELDS 3/,
  );
  await refused(HEADER.replace("4 4 4", "4 4 3") + "POINTS 1\nDATA ascii\n0 0 0\n", /SIZE 3/);
  const compressed = (...sizes: [number, number]): Uint8Array =>
    joinBytes(
      textBytes(`${HEADER}POINTS 1\nDATA binary_compressed\n`),
      pack(sizes.map((size) => ["u4", size])),
      compressLzf(new Uint8Array(12)),
    );
  await refused(compressed(5, 24), /hold 24 bytes, 1 points of 12 bytes need 12/);
  await refused(compressed(5000, 12), /declares 5000 bytes of compressed data/);
  await refused(compressed(3, 12), /the compressed data are damaged/);
  await refused(joinBytes(compressed(5, 12).subarray(0, -4), pack([["u4", 0]])), /damaged/);
});

Deno.test("LZF: what was packed comes back; a false length is told", () => {
  const plain = Uint8Array.from({ length: 9001 }, (_, i) => i < 4000 ? i % 7 : (i * i) >> 5);
  const packed = compressLzf(plain);
  const out = new Uint8Array(plain.length);
  assertEquals(decompressLzf(packed, out), undefined);
  assertEquals(out, plain);
  assertEquals(
    decompressLzf(packed, new Uint8Array(plain.length - 1))?.problem,
    "more data than declared",
  );
  assertMatch(
    decompressLzf(packed, new Uint8Array(9002))!.problem,
    /9001 bytes unpacked, 9002 declared/,
  );
});
