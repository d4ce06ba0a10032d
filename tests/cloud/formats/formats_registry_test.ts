import { assert, assertEquals, assertMatch, assertRejects, assertThrows } from "@std/assert";
import { cloudFromColumns, type Column } from "../../../src/cloud/formats/columns.ts";
import { recenter } from "../../../src/cloud/formats/reader.ts";
import {
  describeFormats,
  findReader,
  readPointCloud,
  readPointCloudBytes,
} from "../../../src/cloud/formats/registry.ts";
import { readNumber, scanText } from "../../../src/cloud/formats/text/text_scanner.ts";
import { DataError, UsageError } from "../../../src/base/errors.ts";
import { textAndMeshSamples, textBytes } from "../../support/format_samples.ts";

const canReadAndWrite = (["read", "write"] as const)
  .every((name) => Deno.permissions.querySync({ name }).state === "granted");

Deno.test("a file's content decides, whatever its name says", async () => {
  for (const { kind, fileName, bytes, points } of textAndMeshSamples()) {
    assertEquals((await readPointCloudBytes(bytes, fileName)).count, points, kind);
    const expected = findReader(bytes, fileName).name;
    assertEquals(findReader(bytes, "no_extension").name, expected, kind);
    if (["PLY", "PCD", "OFF", "STL"].includes(expected)) {
      assertEquals(findReader(bytes, "a.csv").name, expected, kind);
    }
  }
});

Deno.test("unknown content is refused with what was seen and where the formats are listed", async () => {
  const seen = async (bytes: Uint8Array, message: RegExp): Promise<void> => {
    const error = await assertRejects(() => readPointCloudBytes(bytes, "scan.dat"), DataError);
    assertMatch(error.message, message);
  };
  await seen(
    textBytes("Dear reader,\n"),
    /scan\.dat: .*begins with "Dear reader,\\n".*inspect --help/,
  );
  await seen(Uint8Array.of(1, 2, 0, 254), /begins with bytes 01 02 00 fe\./);
  await seen(
    Uint8Array.of(0x1f, 0x8b, 8, 0, 0),
    /begins with gzip-compressed data \(unpack it first\)/,
  );
  assertMatch(describeFormats(), /^PLY \(\.ply\); .*text \(\.xyz/);
  await seen(new Uint8Array(0), /Cannot read scan\.dat: the file is empty \(0 bytes\)/);
});

Deno.test({
  name: "a path: a file is read; none, a directory and too large a file are named",
  ignore: !canReadAndWrite,
  async fn() {
    const folder = await Deno.makeTempDir();
    try {
      const path = `${folder}/a.xyz`;
      await Deno.writeTextFile(path, "1 2 3\n4 5 6\n");
      assertEquals((await readPointCloud(path)).count, 2);
      for (
        const [bad, message, options] of [
          [`${folder}/b.xyz`, /b\.xyz: there is no such file/, {}],
          [folder, /expected a file, got a directory/, {}],
          ["/dev/zero", /\/dev\/zero: expected a file, got a device or a pipe/, {}],
          [path, /a\.xyz: expected at most 11 bytes, got 12/, { maxBytes: 11 }],
        ] as const
      ) {
        const error = await assertRejects(() => readPointCloud(bad, options), DataError);
        assertMatch(error.message, message);
      }
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});

Deno.test("re-centring: millimetres at a million metres, small things left alone", () => {
  const far = Float64Array.of(4320978.611, 289814.152, 170.5, 4320979.123, 289815.999, 171.25);
  const { coords, origin } = recenter(far);
  far.forEach((value, i) => assert(Math.abs(origin[i % 3] + coords[i] - value) < 1e-6));
  const near = Float64Array.of(0.1, 412.3, -500.7, 11.1, -380.3, 600.001);
  assertEquals(recenter(near), {
    coords: Float32Array.from(near),
    origin: [0, 0, 0],
    extent: {
      min: [0.1, -380.3, -500.7],
      max: [11.1, 412.3, 600.001],
      first: [0.1, 412.3, -500.7],
    },
  });
  // What float32 holds to the bit stays, however far away.
  assertEquals(recenter(Float64Array.of(1e6, 2e6, 4e6)).origin, [0, 0, 0]);
  assertEquals(recenter(new Float64Array(0)), { coords: new Float32Array(0), origin: [0, 0, 0] });
});

Deno.test("re-centring: degrees keep their seventh decimal", () => {
  const degrees = Float64Array.of(-124.0687348, 44.0502429, 12, -124.0625001, 44.0624972, 13);
  const { coords, origin } = recenter(degrees);
  degrees.forEach((value, i) => assert(Math.abs(origin[i % 3] + coords[i] - value) < 1e-9));
});

Deno.test("re-centring: points that are not finite, or wild, do not move the origin", () => {
  const rows = Array.from({ length: 101 }, (_, i) => [4e6 + i / 8 + 0.001, 3e5 + i / 8, 100]);
  rows[0] = [NaN, Infinity, -Infinity];
  rows[50] = [1e300, -1e30, NaN];
  const { coords, origin } = recenter(Float64Array.from(rows.flat()));
  assert(Math.abs(origin[0] - 4e6) < 20 && Math.abs(origin[1] - 3e5) < 20, `${origin}`);
  assert(Math.abs(origin[0] + coords[3] - 4000000.126) < 1e-6);
  assertEquals([...coords.subarray(0, 3)], [NaN, Infinity, -Infinity]);
  assertEquals(recenter(Float64Array.of(NaN, NaN, NaN)).origin, [0, 0, 0]);
});

Deno.test("columns: names in any case, colours by type or range, labels that are integers", () => {
  const xyz: Column[] = ["X", "Y", "Z"].map((name, k) => ({
    name,
    data: Float32Array.of(k, k + 3),
  }));
  const colors = (data: number[], integerMax?: number): Float32Array =>
    cloudFromColumns("a", [
      ...xyz,
      ...["Red", "Green", "Blue"].map((name) => ({
        name,
        data: integerMax === undefined ? Float64Array.from(data) : Int32Array.from(data),
        integerMax,
      })),
    ]).attributes.get("colors")!.data as Float32Array;
  assertEquals([...colors([0, 255], 255)], [0, 0, 0, 1, 1, 1]);
  assertEquals([...colors([0, 1], 255)][3], Math.fround(1 / 255));
  assertEquals([...colors([0, 255], 65535)][3], 1);
  assertEquals([...colors([0, 65535], 65535)][3], 1);
  assertEquals([...colors([0, 0.5])][3], 0.5);
  assertEquals([...colors([0, 51])][3], Math.fround(0.2));
  const cloud = cloudFromColumns("a", [
    ...xyz,
    { name: "nx", data: Float32Array.of(0, 0) },
    { name: "scalar_Label", data: Float32Array.of(3, 4) },
    { name: "class", data: Float32Array.of(0.5, 4) },
    { name: "instance", data: Int32Array.of(7, 8) },
    { name: "fpfh", data: new Float32Array(66), width: 33 },
    { name: "nx", data: Float32Array.of(1, 1) },
  ]);
  assertEquals([...cloud.coords], [0, 1, 2, 3, 4, 5]);
  assertEquals([...cloud.attributes.keys()], [
    "labels",
    "instances",
    "nx",
    "class",
    "fpfh",
    "nx_2",
  ]);
  assertEquals(cloud.attributes.get("labels")!.data, Int32Array.of(3, 4));
});

Deno.test("numbers of text are rounded as the language itself rounds them", () => {
  const texts =
    "0 -0 1 +1 -2.5 .5 5. 1e3 1E-3 -1.25e+2 1e22 1e23 1e-22 1e-23 9007199254740993 0.1 123456789.123456789"
      .concat(
        " 3.4028234663852886e38 5e-324 1e400 18.02000045776367 4.900000000000000355e-01 00012 1e0000000001",
      )
      .split(" ");
  for (const text of texts) {
    const s = scanText(textBytes(`${text} `), "a");
    assertEquals(readNumber(s), Number(text), text);
    assertEquals(s.pos, text.length, text);
  }
  const special: [string, number][] = [
    ["nan", NaN],
    ["-NaN", NaN],
    ["-nan(ind)", NaN],
    ["1.#QNAN0", NaN],
    ["inf", Infinity],
    ["-Infinity", -Infinity],
    ["-1.#INF00", -Infinity],
    ["1.5D+02", 150],
  ];
  for (const [text, value] of special) {
    assertEquals(readNumber(scanText(textBytes(text), "a")), value, text);
  }
  for (const text of ["1.2.3", "0x10", "1e", "-", ".", "1,5", "12a", "--1", "e5", "1_000"]) {
    const error = assertThrows(() => readNumber(scanText(textBytes(text), "a")), DataError);
    assertEquals(
      error.message,
      `Cannot read a (line 1, column 1): expected a number, got "${text}".`,
    );
  }
});

Deno.test("a message quotes no megabytes, whatever a file or a command line holds", async () => {
  const long = "x".repeat(3_000_000);
  for (const text of [`${long}\n1 2 3\n`, `a b ${long}\n1 2 3\n`, `x y z\n1 2 ${long}\n`]) {
    const error = await assertRejects(
      () => readPointCloudBytes(textBytes(text), "a.txt"),
      DataError,
    );
    assert(error.message.length < 5000 && error.message.startsWith("Cannot read a.txt"));
  }
  assert(new UsageError(`Unknown flag ${long}.\n\nUsage`).message.endsWith("\n\nUsage"));
  assert(new DataError(`${"line\n".repeat(1e6)}`).message.length < 5000);
});

Deno.test("openings that nothing closes are refused in every format, as what they are", async () => {
  // Raw floats are whatever bytes are.
  const extensions = describeFormats().match(/(?<=\.)\w+/g)!.filter((each) => each !== "bin");
  for (const opening of ["{", "[", "(", "<a ", '"a', "[{", "{'a':"]) {
    for (const extension of extensions) {
      await assertRejects(
        () => readPointCloudBytes(textBytes(opening.repeat(400)), `a.${extension}`),
        DataError,
      );
    }
  }
});
