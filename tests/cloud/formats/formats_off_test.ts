import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import type { PointCloud } from "../../../src/cloud/point_cloud.ts";
import { readPointCloudBytes } from "../../../src/cloud/formats/registry.ts";
import { DataError } from "../../../src/base/errors.ts";
import { textBytes } from "../../support/format_samples.ts";

const read = (text: string): Promise<PointCloud> => readPointCloudBytes(textBytes(text), "a.off");

const refused = async (text: string, message: RegExp): Promise<void> => {
  const error = await assertRejects(() => read(text), DataError);
  assertMatch(error.message, message);
};

const VERTICES = "0 0 0\n1 0 0\n1 1 0.5\n0 1 -2.5e-1\n";
const COORDS = [0, 0, 0, 1, 0, 0, 1, 1, 0.5, 0, 1, -0.25];

Deno.test("OFF: counts on the word's line, glued to it, on the next, without the word; comments", async () => {
  const starts = [
    "OFF\n4 1 0\n",
    "off\n4 1 0\n",
    "OFF 4 1 0\n",
    "OFF4 1 0\n",
    "4 1 0\n",
    "OFF\n4 1\n",
  ].concat(
    "\t # made by hand\r\n  OFF # here\r\n\r\n4 1 0 # counts\r\n",
  );
  for (const start of starts) {
    const cloud = await read(`${start}${VERTICES}4 0 1 2 3  0.3 0.4 0 0.75\n`);
    assertEquals([...cloud.coords], COORDS, start);
    assertEquals([...cloud.triangles!], [0, 1, 2, 0, 2, 3], start);
  }
});

Deno.test("OFF: colours with and without alpha, normals, texture coordinates, weights", async () => {
  const colors = await read("COFF\n2 0 0\n0 0 0 255 0 51 255\n1 0 0 0 255 0 0\n");
  assertEquals(colors.attributes.get("colors")!.data, Float32Array.of(1, 0, 0.2, 0, 1, 0));
  assertEquals([...colors.attributes.get("alpha")!.data], [255, 0]);
  const opaque = await read("COFF\n1 0 0\n0 0 0 0.5 0 1\n");
  assertEquals([...opaque.attributes.keys()], ["colors"]);
  assertEquals([...opaque.attributes.get("colors")!.data], [0.5, 0, 1]);
  const unsaid = await read("OFF\n1 0 0\n0 0 0 51 0 255\n");
  assertEquals(unsaid.attributes.get("colors")!.data, Float32Array.of(0.2, 0, 1));
  const all = await read("STCNOFF\n1 0 0\n1 2 3  0 0 1  255 255 255 255  0.5 0.75\n");
  assertEquals([...all.attributes.keys()], ["normals", "colors", "alpha", "s", "t"]);
  assertEquals([...all.attributes.get("normals")!.data], [0, 0, 1]);
  assertEquals([...all.attributes.get("t")!.data], [0.75]);
  assertEquals([...(await read("4OFF\n1 0 0\n2 4 6 2\n")).coords], [1, 2, 3]);
  const five = await read("nOFF 4\n1 0 0\n1 2 3 4\n");
  assertEquals([...five.coords, ...five.attributes.get("coord_4")!.data], [1, 2, 3, 4]);
});

Deno.test("OFF: refuses what is wrong and says where", async () => {
  await refused(
    `OFF\n353535235358 6 0\n${VERTICES}`,
    /declares 353535235358 vertices, the file holds 4/,
  );
  await refused("OFF\n3 0 0\n0 0 0\n1.5 1.5 1.5\n", /declares 3 vertices, the file holds 2/);
  await refused(`OFF\n4 2 0\n${VERTICES}3 0 1 2\n`, /line 8\).*declares 2 faces, the file holds 1/);
  await refused(`OFF\n4 1 0\n${VERTICES}3 0 1 4\n`, /line 7\): a face names vertex 4; there are 4/);
  await refused(`OFF\n4 1 0\n${VERTICES}3 0 1 0.5\n`, /line 7\): a face names vertex 0\.5/);
  await refused(`OFF\n4 1 0\n${VERTICES}3 0 1\n`, /line 7\): expected 3 corners.*after 2/);
  await refused(
    "OFF\n4 0 0\n0 0 0\n1 0\n1 1 1\n1 1 1\n",
    /line 3\): 4 vertices of 3 values do not fit into the 22 bytes left/,
  );
  await refused("OFF\n2 0 0\n0 0 0.5\n1 0.5\n", /line 4\): expected 3 values \(x y z\).*after 2/);
  await refused("OFF\n3\n0 0 0\n", /line 2\): expected the number of faces/);
  await refused("OFF\n-1 0 0\n", /line 2\).*number of vertices.*"-1"/);
  await refused("OFF BINARY\n\0\0\0\x04", /binary OFF/);
  await refused("OFF", /the file ends/);
  await refused(
    "nOFF 1000000000000\n1 0 0\n1 2 3\n",
    /line 3\): 1 vertices of 64 values do not fit/,
  );
});
