import { assert, assertAlmostEquals, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { e57Reader } from "../../../src/cloud/formats/e57/e57.ts";
import { parseXml } from "../../../src/cloud/formats/e57/xml.ts";
import type { PointCloud } from "../../../src/cloud/point_cloud.ts";
import { DataError } from "../../../src/base/errors.ts";
import { e57Contents, e57Pages, type E57Scan, e57Scans } from "../../support/e57_samples.ts";

const read = (bytes: Uint8Array): PointCloud => e57Reader.read(bytes, "a.e57", {}) as PointCloud;
const scansOf = (...scans: E57Scan[]): Uint8Array => e57Pages(e57Contents(scans));
const [plain, moved] = e57Scans();

Deno.test("E57: floats and colours, over two packets", () => {
  const cloud = read(scansOf(plain));
  assertEquals([...cloud.coords], [1, 2, 4, 7, 3, 5, 8, 9, 6]);
  assertEquals(
    [...cloud.attributes.get("colors")!.data],
    [1, 0, 0, 0, 1 / 5, 0, 1 / 5, 0, 0].map(Math.fround),
  );
});

Deno.test("E57: scaled integers of ten bits, an invalid point, a pose", () => {
  const cloud = read(scansOf(moved));
  assertEquals(cloud.count, 3);
  // x' = 100 - y, y' = -50 + x: a quarter turn about z, then the translation.
  const expected = [[-5, -4], [0, 1], [-2.5, -1.5]].flatMap(([v, x]) => [100 - v, -50 + x, v]);
  expected.forEach((value, i) =>
    assertAlmostEquals(cloud.origin[i % 3] + cloud.coords[i], value, 1e-5)
  );
});

Deno.test("E57: all scans make one cloud, numbered, of the columns they share", () => {
  const cloud = read(scansOf(plain, moved));
  assertEquals(cloud.count, 6);
  assertEquals([...cloud.attributes.keys()], ["colors", "scan"]);
  assertEquals(cloud.attributes.get("scan")!.data, Int32Array.of(0, 0, 0, 1, 1, 1));
});

Deno.test("E57: spherical coordinates", () => {
  const angles = [0, Math.PI / 2];
  const doubles = (values: number[]) => new Uint8Array(Float64Array.from(values).buffer);
  const cloud = read(scansOf({
    count: 2,
    prototype: ["Range", "Azimuth", "Elevation"].map((k) => `<spherical${k} type="Float"/>`).join(
      "",
    ),
    packets: [[doubles([2, 3]), doubles(angles), doubles([0, Math.PI / 6])]],
  }));
  [2, 0, 0, 0, 3 * Math.cos(Math.PI / 6), 1.5].forEach((value, i) =>
    assertAlmostEquals(cloud.coords[i], value, 1e-6)
  );
});

Deno.test("E57: without scans it is an empty cloud", () => {
  assertEquals(read(scansOf()).count, 0);
});

Deno.test("E57: what is wrong with a file is said", () => {
  const good = scansOf(plain, moved);
  const flipped = good.slice();
  flipped[1100] ^= 4;
  const change = (from: string, to: string): Uint8Array => {
    const contents = e57Contents([plain]);
    const at = new TextDecoder("latin1").decode(contents).indexOf(from);
    assert(at > 0 && from.length === to.length);
    contents.set(new TextEncoder().encode(to), at);
    return e57Pages(contents);
  };
  const cases: [Uint8Array, RegExp][] = [
    [good.slice(0, 40), /\(byte 40\): the E57 header is cut short/],
    [good.slice(0, -1), /the header says \d+ bytes, the file has \d+: it was cut short/],
    [flipped, /\(byte 1024\): the checksum \(CRC-32C\) of page 1 of \d+ is wrong/],
    [
      change('recordCount="3"', 'recordCount="4"'),
      /4 points are declared, the data holds 3 of cart/,
    ],
    [change('recordCount="3"', 'recordCount="x"'), /recordCount: expected a number, got x/],
    [
      change('fileOffset="48"', 'fileOffset="52"'),
      /\(byte 52\): there is no vector of points here/,
    ],
    [change('precision="single"', 'precision="double"'), /3 points are declared, the data holds 1/],
    [change("cartesianX type", "cartesianQ type"), /scan 0 has neither cartesianX/],
    [change('type="Integer" min', 'type="Inteper" min'), /fields of type Inteper are not known/],
    [change("</e57Root>", "</e57Riot>"), /XML, character \d+: <\/e57Riot> closes nothing/],
    [change('minimum="0"', 'minimum="x"'), /minimum is "x", no integer/],
  ];
  for (const [bytes, expected] of cases) {
    assertMatch(assertThrows(() => read(bytes), DataError).message, expected);
  }
});

Deno.test("E57: damage behind right checksums is a cloud or one DataError", () => {
  const contents = e57Contents([plain, moved]);
  let seed = 5;
  const random = (below: number) => (seed = (seed * 1103515245 + 12345) & 0x7fffffff) % below;
  for (let i = 0; i < 3000; i++) {
    const damaged = contents.slice();
    for (let n = random(3); n >= 0; n--) damaged[random(contents.length)] = random(256);
    try {
      const { count } = read(e57Pages(damaged));
      assert(count <= 8 * contents.length);
    } catch (error) {
      if (!(error instanceof DataError)) throw error;
      assertMatch(error.message, /^Cannot read [^\n]+$/);
    }
  }
});

Deno.test("XML: elements, attributes, text, CDATA, entities", () => {
  const fail = (at: number, message: string) => new DataError(`${at}: ${message}`);
  const root = parseXml(
    `<?xml version="1.0"?><!-- <x> --><a b = 'c&lt;&#65;' d="e>"><![CDATA[<&]]> t <f/></a>`.replace(
      "e>",
      "e",
    ),
    fail,
  );
  assertEquals([root.name, root.text, root.children[0].name], ["a", "<& t", "f"]);
  assertEquals([...root.attributes], [["b", "c<A"], ["d", "e"]]);
  for (const bad of ["", "<a>", "<a></b>", "<!DOCTYPE a><a/>", "<a b></a>", "<a>".repeat(99)]) {
    assertThrows(() => parseXml(bad, fail), DataError);
  }
});
