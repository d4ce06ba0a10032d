import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import type { PointCloud } from "../../../src/cloud/point_cloud.ts";
import { readPointCloudBytes } from "../../../src/cloud/formats/registry.ts";
import { DataError } from "../../../src/base/errors.ts";
import { joinBytes, pack, stlBinarySample, textBytes } from "../../support/format_samples.ts";

const read = (content: string | Uint8Array, name = "a.stl"): Promise<PointCloud> =>
  readPointCloudBytes(typeof content === "string" ? textBytes(content) : content, name);

const refused = async (content: string | Uint8Array, message: RegExp): Promise<void> => {
  const error = await assertRejects(() => read(content), DataError);
  assertMatch(error.message, message);
};

const COORDS = [0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 2.5, 1, 0, 2.5, 0, 1, 2.5];
const facet = (z: number): string =>
  `facet normal 0 0 1\n outer loop\n  vertex 0 0 ${z}\n  vertex 1 0 ${z}\n  VERTEX 0 1 ${z}\n endloop\nendfacet\n`;

Deno.test("STL binary: three points a triangle with its normal, also when the header says solid", async () => {
  for (const name of ["a.stl", "no extension"]) {
    const cloud = await read(stlBinarySample(), name);
    assertEquals([...cloud.coords], COORDS);
    assertEquals([...cloud.triangles!], [0, 1, 2, 3, 4, 5]);
    assertEquals([...cloud.attributes.get("normals")!.data], Array(6).fill([0, 0, 1]).flat());
  }
  const padded = await read(joinBytes(stlBinarySample(), new Uint8Array(7)));
  assertEquals(padded.count, 6);
});

Deno.test("STL ascii: several solids, mixed case, all on one line", async () => {
  const two = `solid first one\n${facet(0)}endsolid first one\nSOLID\n${facet(2.5)}EndSolid\n`;
  assertEquals([...(await read(two, "model")).coords], COORDS);
  const oneLine = `solid a\n${`${facet(0)}${facet(2.5)}`.replaceAll("\n", " ")}\nendsolid a`;
  assertEquals([...(await read(oneLine)).coords], COORDS);
});

Deno.test("STL: no facets are no points; facets without normals give none", async () => {
  assertEquals((await read("solid Empty\nendsolid Empty")).count, 0);
  assertEquals((await read(new Uint8Array(84))).count, 0);
  const cloud = await read(`solid a\n${facet(0)}${facet(1).replace("0 0 1", "0 0 0")}endsolid a\n`);
  assertEquals([cloud.count, cloud.attributes.size], [6, 0]);
});

Deno.test("STL: refuses what is wrong and says where", async () => {
  await refused(
    joinBytes(new Uint8Array(80), pack([["u4", 4000000000]]), new Uint8Array(120)),
    /byte 80\): the header declares 4000000000 triangles, the file holds 2/,
  );
  await refused(new Uint8Array(83), /byte 83\).*the file ends/);
  await refused(
    `solid a\n${facet(0)}facet normal 0 0 1\nouter loop\nvertex 0 0`,
    /line 11\).*expected a number.*end of the file/,
  );
  await refused(
    `solid a\n${facet(0).replace("outer", "inner")}`,
    /line 3\): expected "outer", got "inner"/,
  );
  await refused(`solid a\n${facet(0).replace("1 0 0", "1 0 x")}`, /line 5, column 14\).*got "x"/);
});
