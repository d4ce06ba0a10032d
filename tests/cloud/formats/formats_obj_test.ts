import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import type { PointCloud } from "../../../src/cloud/point_cloud.ts";
import { readPointCloudBytes } from "../../../src/cloud/formats/registry.ts";
import { prepare } from "../../../src/cloud/prepare.ts";
import { DataError } from "../../../src/base/errors.ts";
import { textBytes } from "../../support/format_samples.ts";

const read = (text: string, name = "a.obj"): Promise<PointCloud> =>
  readPointCloudBytes(textBytes(text), name);

const refused = async (text: string, message: RegExp): Promise<void> => {
  const error = await assertRejects(() => read(text), DataError);
  assertMatch(error.message, message);
};

const SQUARE = "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0.5\n";

Deno.test("OBJ: faces of every spelling, negative numbers, a vertex that comes later, a line continued", async () => {
  const cloud = await read(
    `# made by hand\nmtllib a.mtl\no square\nf 1 2 3\n${SQUARE}vt 0 0\nvn 0 0 1\nusemtl m\ns off
f 1/1 2/1 3/1\nf 1//1 2//1 3//1 4//-1\nf -4/1/1 -3/1/1 \\\n -2/1/1\nf 1 2\n`,
  );
  assertEquals([...cloud.coords], [0, 0, 0, 1, 0, 0, 1, 1, 0, 0, 1, 0.5]);
  assertEquals([...cloud.triangles!], [0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 2, 3, 0, 1, 2]);
  assertEquals([...cloud.attributes.get("normals")!.data], [0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1]);
  assertEquals([...(await read("v 1 2 \\\n 3\nv 4 5\\\r\n6\n")).coords], [1, 2, 3, 4, 5, 6]);
});

Deno.test("OBJ: colours behind the coordinates, as fractions or bytes; a weight is no colour", async () => {
  const fractions = await read("v 0 0 0 1 0 0.5\nv 1 1 1 0 0.25 0\n");
  assertEquals([...fractions.attributes.get("colors")!.data], [1, 0, 0.5, 0, 0.25, 0]);
  const bytes = await read("v 0 0 0 255 0 51\nv 1 1 1 0 255 0\n");
  assertEquals(bytes.attributes.get("colors")!.data, Float32Array.of(1, 0, 0.2, 0, 1, 0));
  assertEquals((await read("v 0 0 0 1.0\nv 1 1 1 1.0\n")).attributes.size, 0);
  assertEquals((await read("v 0 0 0 1 0 0\nv 1 1 1\n")).attributes.size, 0);
});

Deno.test("OBJ: points alone, with a normal each; a vertex without normal leaves none", async () => {
  const points = await read("v 0 0 0\r\nv 1 1 1\r\nvn 0 0 1\r\nvn 0 1 0\r\n");
  assertEquals([...points.attributes.get("normals")!.data], [0, 0, 1, 0, 1, 0]);
  assertEquals(points.triangles, undefined);
  const partly = await read(`${SQUARE}vn 0 0 1\nf 1//1 2//1 3//1\n`);
  assertEquals([partly.count, partly.attributes.size], [4, 0]);
  const mean = await read(`${SQUARE}vn 3 0 0\nvn 0 4 0\nf 1//1 2//1 3//1\nf 1//2 3//2 4//2\n`);
  assertEquals(
    mean.attributes.get("normals")!.data,
    Float32Array.of(0.6, 0.8, 0, 1, 0, 0, 0.6, 0.8, 0, 0, 1, 0),
  );
});

Deno.test("OBJ: known by its content under another name", async () => {
  assertEquals((await read(SQUARE, "model")).count, 4);
});

Deno.test("OBJ: refuses what is wrong and says where", async () => {
  await refused(
    `${SQUARE}f 1 2 5\nf 1 2 3\n`,
    /line 5\): a face names vertex 5; the file holds 4, counted from 1/,
  );
  await refused(`${SQUARE}f 1 2 0\n`, /line 5\): a face names vertex 0/);
  await refused(`${SQUARE}f -5 1 2\n`, /line 5\): a face names vertex -5; the file holds 4 so far/);
  await refused(`${SQUARE}f 1 2 x\n`, /line 5\).*corner.*"x"/);
  await refused("v 0 0 0\nv 1 1\n", /line 2\): expected three numbers after "v", got 2/);
  await refused("v 0 0 0\nv 1 1 one\n", /line 2, column 7\).*"one"/);
  await refused("# nothing\nf 1 2 3\n", /there is no vertex/);
  await refused("v 0 0 0\n\0\0\0", /line 2\): expected a statement/);
});

Deno.test("OBJ: normals that are none leave the file readable, and are counted", async () => {
  const bad: [string, RegExp][] = [
    ["vn 0 0 1\nf 1//1 2//2 3//1\n", /^1 of the normals .* names normal 2, there are 1/],
    ["vn 0 0 1\nf 1//0 2//1 3//0\n", /^2 of the normals .*\(line 6: a face names normal 0\)/],
    ["vn 0 0 1\nf 1//-2 2//1 3//1\n", /^1 of the normals .*line 6: a face names normal -2/],
    ["vn 0 0 up\nf 1//1 2//1 3//1\n", /^1 of the normals .*\(line 5: not three numbers\)/],
  ];
  for (const [more, expected] of bad) {
    const cloud = await read(`${SQUARE}${more}`);
    assertEquals([cloud.count, cloud.triangles!.length, cloud.attributes.size], [4, 3, 0]);
    assertMatch(cloud.notes!.join(), expected);
    assertEquals(prepare(cloud, { meshPoints: 0 }).report.estimatedNormals, 4);
  }
});
