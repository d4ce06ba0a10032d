import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import type { PointCloud } from "../../../src/cloud/point_cloud.ts";
import { readPointCloudBytes } from "../../../src/cloud/formats/registry.ts";
import { DataError } from "../../../src/base/errors.ts";
import {
  joinBytes,
  pack,
  plySample,
  samplePoint,
  textBytes,
} from "../../support/format_samples.ts";

const read = (content: string | Uint8Array): Promise<PointCloud> =>
  readPointCloudBytes(typeof content === "string" ? textBytes(content) : content, "a.ply");

const refused = async (content: string | Uint8Array, message: RegExp): Promise<void> => {
  const error = await assertRejects(() => read(content), DataError);
  assertMatch(error.message, message);
};

for (const format of ["ascii", "binary_little_endian", "binary_big_endian"] as const) {
  Deno.test(`PLY ${format}: any types, lists, elements before and after, faces as fans`, async () => {
    const cloud = await read(plySample(format));
    assertEquals(cloud.count, 5);
    assertEquals(cloud.origin, [0, 0, 0]);
    const points = Array.from({ length: 5 }, (_, i) => samplePoint(i));
    assertEquals([...cloud.coords], points.flatMap(({ xyz }) => xyz));
    assertEquals([...cloud.attributes.keys()], ["normals", "colors", "labels"]);
    assertEquals(
      [...cloud.attributes.get("normals")!.data],
      points.flatMap(({ normal }) => normal),
    );
    assertEquals(
      cloud.attributes.get("colors"),
      { width: 3, data: Float32Array.from(points.flatMap(({ rgb }) => rgb.map((c) => c / 255))) },
    );
    assertEquals(
      cloud.attributes.get("labels"),
      { width: 1, data: Int32Array.from(points, ({ label }) => label) },
    );
    assertEquals([...cloud.triangles!], [0, 1, 2, 0, 2, 3, 0, 3, 4]);
  });
}

Deno.test("PLY: a million georeferenced metres keep their millimetres", async () => {
  const rows = [[4320978.611, 289814.151, 170.001], [4320978.612, 289815.152, 171.002]];
  const header =
    "ply\nformat binary_little_endian 1.0\nelement vertex 2\nproperty double x\nproperty double y\nproperty double z\nend_header\n";
  const cloud = await read(joinBytes(textBytes(header), pack(rows.flat().map((v) => ["f8", v]))));
  rows.flat().forEach((value, i) => {
    assertEquals(Math.abs(cloud.origin[i % 3] + cloud.coords[i] - value) < 1e-6, true);
  });
});

Deno.test("PLY: CRLF and CR line ends, a data byte that looks like a line end", async () => {
  for (const end of ["\n", "\r\n", "\r"]) {
    const header = ["ply", "format binary_little_endian 1.0", "element vertex 2"]
      .concat(["x", "y", "z"].map((axis) => `property char ${axis}`), "end_header", "").join(end);
    const cloud = await read(joinBytes(textBytes(header), Uint8Array.of(10, 13, 10, 1, 2, 253)));
    assertEquals([...cloud.coords], [10, 13, 10, 1, 2, -3], JSON.stringify(end));
  }
});

Deno.test("PLY: strips become triangles that all face one way", async () => {
  const cloud = await read(
    `ply\nformat ascii 1.0\nelement vertex 5\nproperty float x\nproperty float y\nproperty float z
element tristrips 1\nproperty list int int vertex_indices\nend_header
0 0 0\n1 0 0\n0 1 0\n1 1 0\n2 2 2\n8 0 1 2 3 -1 4 2 1\n`,
  );
  assertEquals([...cloud.triangles!], [0, 1, 2, 1, 3, 2, 4, 2, 1]);
});

Deno.test("PLY: rows may hold more than declared after what counts, and blank lines between them", async () => {
  const cloud = await read(
    `ply\nformat ascii 1.0\nelement vertex 3\nproperty float x\nproperty float y\nproperty float z
element face 1\nproperty list uchar int vertex_index\nproperty list uchar float texcoord\nend_header
0 0 0\n\n1 0 0\t\n0 1 nan 9\n3 0 1 2 6 0.5 0.5 0.25 0.5 0.5 0.5 99\n`,
  );
  assertEquals([...cloud.coords], [0, 0, 0, 1, 0, 0, 0, 1, NaN]);
  assertEquals([...cloud.triangles!], [0, 1, 2]);
});

Deno.test("PLY: nothing declared is nothing read; a flat scan gets z = 0", async () => {
  const empty = await read(
    "ply\nformat ascii 1.0\nelement vertex 0\nproperty float x\nproperty float y\nproperty float z\nend_header",
  );
  assertEquals([empty.count, empty.triangles], [0, undefined]);
  const flat = await read(
    "ply\nformat ascii 1.0\nelement vertex 1\nproperty float y\nproperty float x\nend_header\n1 2\n",
  );
  assertEquals([...flat.coords], [2, 1, 0]);
});

Deno.test("PLY: refuses what is wrong and says where", async () => {
  const header = (count: number, format = "ascii"): string =>
    `ply\nformat ${format} 1.0\nelement vertex ${count}\nproperty float x\nproperty float y\nproperty float z\nend_header\n`;
  await refused(`${header(3)}0 0 0\n1 1 1\n`, /a\.ply \(line 8\): .*declares 3 rows.*holds 2/);
  await refused(
    `${header(353535235358)}0 0 0\n`,
    /declares 353535235358 rows of element "vertex", the file holds 1/,
  );
  await refused(
    `${header(1)}0 0\n`,
    /line 8\).*1 rows of element "vertex" of 3 values do not fit into the 4 bytes left/,
  );
  await refused(`${header(1)}-0.5 0.5\n`, /line 8\).*ends before property "z"/);
  await refused(`${header(1)}0 zero 0\n`, /line 8, column 3\).*expected a number, got "zero"/);
  await refused(
    joinBytes(textBytes(header(3, "binary_big_endian")), new Uint8Array(35)),
    /byte \d+\).*declares 3 rows.*ends after 2/,
  );
  await refused(
    "ply\nformat ascii 1.0\nelement vertex 8\nproperty float \0\0",
    /no line end_header/,
  );
  await refused("ply\nformat ascii 2.0\nelement vertex x\n", /line 3\).*"element vertex x"/);
  await refused("format ascii 1.0\n", /a\.ply \(line 1\): expected "ply", got "format ascii/);
  await refused("ply\nformat middle_endian 1.0\n", /line 2\).*"middle_endian"/);
  await refused(
    "ply\nformat ascii 1.0\nelement vertex 1\nproperty quad x\n",
    /line 4\).*number type.*"quad"/,
  );
  await refused("ply\nformat ascii 1.0\nelement face 0\nend_header\n", /element "vertex".*"face"/);
  await refused(
    "ply\nformat ascii 1.0\nelement vertex 1\nproperty float z\nend_header\n1\n",
    /no x and no y among z/,
  );
  await refused(
    "ply\nformat ascii 1.0\nelement vertex 1\nproperty float x\nproperty float x\nend_header\n1 1\n",
    /"x" stands twice/,
  );
  const face = (corners: string): string =>
    header(2).replace(
      "end_header",
      "element face 1\nproperty list uchar int vertex_indices\nend_header",
    ) +
    `0 0 0\n1 1 1\n${corners}\n`;
  await refused(face("3 0 1 2"), /line 12\): a face names vertex 2; there are 2/);
  await refused(face("0.5 0 1 2"), /line 12\).*length of list "vertex_indices".*"0\.5"/);
  await refused(face("9000000000 0 1"), /line 12\): the line ends/);
});
