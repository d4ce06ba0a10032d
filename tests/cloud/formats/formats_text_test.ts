import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { fromFileUrl } from "@std/path";
import type { PointCloud } from "../../../src/cloud/point_cloud.ts";
import type { ReadOptions } from "../../../src/cloud/formats/reader.ts";
import { readPointCloud, readPointCloudBytes } from "../../../src/cloud/formats/registry.ts";
import { DataError } from "../../../src/base/errors.ts";
import { textBytes } from "../../support/format_samples.ts";

const read = (text: string, name = "a.txt", options?: ReadOptions): Promise<PointCloud> =>
  readPointCloudBytes(textBytes(text), name, options);

const refused = async (text: string, message: RegExp, name = "a.txt"): Promise<void> => {
  const error = await assertRejects(() => read(text, name), DataError);
  assertMatch(error.message, message);
};

const values = (cloud: PointCloud, name: string): number[] => [...cloud.attributes.get(name)!.data];

Deno.test("text: the delimiter is found out: spaces, tabs, commas, semicolons, decimal commas", async () => {
  const files = [
    "1 2 3\n4 5 6.5\n",
    "  1\t2   3 \r\n4\t5\t6.5\r\n\r\n",
    "1,2,3\n4, 5 ,6.5\n",
    "1;2;3\n4;5;6.5",
  ].concat(
    "1,0;2,0;3,0\n4,0;5,0;6,5\n",
    "1|2|3\n4|5|6.5\n",
    "Exported by hand\n\nX;Y;Z\n1;2;3\n4;5;6.5\n",
    "1,0\t2,0\t3,0\n4,0\t5,0\t6,5\n",
    "x  y  z\n1,0 2 3,0\n4,0 5 6,5e0\n",
    "1,2,3,\n4,5,6.5,\n",
    '"1","2","3"\n"4","5","6.5"\n',
    "# a comment\n\n1 2 3 # one\n// two\n4 5 6.5\n",
    "\ufeff1 2 3\r4 5 6.5\r",
  );
  for (const text of files) {
    const cloud = await read(text);
    assertEquals([...cloud.coords], [1, 2, 3, 4, 5, 6.5], JSON.stringify(text));
    assertEquals(cloud.attributes.size, 0);
  }
});

Deno.test("text: columns by the header's names, in any order and case, quoted, or in a comment", async () => {
  for (
    const header of [
      "Z;X;Intensity;Y;Deviation",
      '"Z","X","Intensity","Y","Deviation"',
      "Z X Intensity Y Deviation",
      "//Z X Intensity Y Deviation",
      "# Z, X, Intensity, Y, Deviation",
    ]
  ) {
    const cloud = await read(`${header}\n3 1 0.5 2 9\n30 10 1.5 20 90\n`);
    assertEquals([...cloud.coords], [1, 2, 3, 10, 20, 30], header);
    assertEquals([...cloud.attributes.keys()], ["intensity", "Deviation"]);
    assertEquals(values(cloud, "Deviation"), [9, 90]);
  }
});

Deno.test("text: units in brackets and other names of the axes", async () => {
  for (
    const header of [
      "X [m],Y [m],Z [m]",
      "x(m),y(m),z(m)",
      "point_x,point_y,point_z",
      "Position X,Position Y,Position Z",
      "Points_m_XYZ:0,Points_m_XYZ:1,Points_m_XYZ:2",
      "E,N,H",
      "lon,lat,alt",
    ]
  ) {
    const cloud = await read(`${header}\n1,2,3\n`);
    assertEquals([...cloud.coords], [1, 2, 3], header);
    assertEquals(cloud.attributes.size, 0);
  }
  const both = await read("x,y,z,X [px]\n1,2,3,4\n");
  assertEquals([[...both.coords], [...both.attributes.keys()]], [[1, 2, 3], ["X [px]"]]);
});

Deno.test("text: columns of words are passed over, quoted separators and all", async () => {
  const cloud = await read(
    'time,name,x,y,z,class,i\n2024-01-02T03:04:05Z,"a ""b"", c",1,2,3,living room,7\n' +
      `"2024, 2",d,4,5,6,,NA\n`,
  );
  assertEquals([...cloud.coords], [1, 2, 3, 4, 5, 6]);
  assertEquals([...cloud.attributes.keys()], ["labels", "i"]);
  assertEquals([values(cloud, "labels"), cloud.classNames], [[0, -1], ["living room"]]);
  assertEquals(values(cloud, "i"), [7, NaN]);
  const spaced = await read('x y z name\n1 2 3 "living room"\n4 5 6 hall\n');
  assertEquals([...spaced.coords], [1, 2, 3, 4, 5, 6]);
  const unnamed = await read("1 2 3 chair 0 0 1\n4 5 6 table 0 1 0\n");
  assertEquals([[...unnamed.coords], [...unnamed.attributes.keys()]], [[1, 2, 3, 4, 5, 6], [
    "normals",
  ]]);
  const indexed = await read(",x,y,z\n0,1,2,3\n1,4,5,6\n");
  assertEquals([...indexed.attributes.keys()], ["column_1"]);
  await refused(
    "x,y,z,name\nleft,2,3,chair\n",
    /line 2, column 1\): expected a number, got "left"/,
  );
  await refused(
    "x,y,z,i\n1,2,3,4\n1,2,3,chair\n",
    /line 3, column 7\): expected a number, got "chair"/,
  );
});

Deno.test("text: columns given, some passed over, instead of the header's", async () => {
  const options = { columns: ["label", "x", "y", "_", "z"] };
  const cloud = await read("a b c d e\n7 1 2 chair 3\n8 4 5 table 6\n", "a.txt", options);
  assertEquals([...cloud.coords], [1, 2, 3, 4, 5, 6]);
  assertEquals(cloud.attributes.get("labels"), { width: 1, data: Int32Array.of(7, 8) });
  const odd = await read("1|2|3\n4|5|6\n", "a.txt", { delimiter: "|" });
  assertEquals([...odd.coords], [1, 2, 3, 4, 5, 6]);
  const tabs = await read("x\ty\tz\ti\n1\t2\t3\t\n4\t5\t6\t7\n", "a.txt", { delimiter: "\t" });
  assertEquals(values(tabs, "i"), [NaN, 7]);
});

Deno.test("text: columns without names are told apart by their values", async () => {
  const cases: [string, string, string[]][] = [
    ["a.xyz", "1 2 3 0.5\n4 5 6 0.25\n", ["intensity"]],
    ["a.txt", "1 2 3 255 0 0\n4 5 6 0 255 9\n", ["colors"]],
    ["a.txt", "1 2 3 0.5 0 0\n4 5 6 0 1 0.25\n", ["colors"]],
    ["a.txt", "1,2,3,0,0,-1\n4,5,6,0.6,0.8,0\n", ["normals"]],
    ["a.txt", "1 2 3 0 0 1 12.000\n4 5 6 0.6 0.8 0 13.000\n", ["normals", "labels"]],
    ["a.txt", "1 2 3 9 8 7 0 0 1\n4 5 6 99 2 3 0.6 0.8 0\n", ["normals", "colors"]],
    ["a.txt", "1 2 3 -1614 97 59 38\n4 5 6 -1500 90 2 3\n", ["colors", "intensity"]],
    ["a.pts", "1 2 3 14 97 59 255\n4 5 6 15 90 2 255\n", ["colors", "intensity"]],
    ["a.xyz", "1 2 3 14.0 97.0 59.0 255.0\n4 5 6 15 90 2 255\n", ["colors", "alpha"]],
    ["a.txt", "1 2 3 97 59 255 4\n4 5 6 90 2 255 5\n", ["colors", "labels"]],
    ["a.txt", "1,2,3,97,59,255,-1.0\n4,5,6,90,2,255,5.0\n", ["colors", "labels"]],
    ["a.txt", "1 2 3 97 59 255 94\n4 5 6 90 2 255 5\n", ["colors", "intensity"]],
    ["a.txt", "1 2 3 97 59 255 4 17\n4 5 6 90 2 255 5 8\n", ["colors", "labels", "instances"]],
    ["a.txt", "1 2 3 4\n4 5 6 9\n1 2 3 4\n4 5 6 4\n", ["labels"]],
    ["a.xyzi", "1 2 3 4\n4 5 6 9\n1 2 3 4\n4 5 6 4\n", ["intensity"]],
    ["a.txt", "1 2 3 4\n4 5 6 4\n", ["intensity"]],
    ["a.txt", "1 2 3 -0.5 300 7.5\n4 5 6 0.5 1 2\n", ["intensity", "column_5", "column_6"]],
  ];
  for (const [name, text, expected] of cases) {
    assertEquals([...(await read(text, name)).attributes.keys()], expected, text);
  }
});

Deno.test("text: an empty value is no number; a header alone is no points", async () => {
  const cloud = await read("x,y,z,class\n1,2,,4\n1,2,3,\n");
  assertEquals([...cloud.coords], [1, 2, NaN, 1, 2, 3]);
  assertEquals(values(cloud, "labels"), [4, -1]);
  assertEquals((await read("x,y,z\n")).count, 0);
});

Deno.test("PTS: the count is checked; scans one after the other", async () => {
  const cloud = await read("2\n1 2 3 -5\n4 5 6 7\n1\n7 8 9 10\n", "a.pts");
  assertEquals([...cloud.coords], [1, 2, 3, 4, 5, 6, 7, 8, 9]);
  assertEquals(values(cloud, "intensity"), [-5, 7, 10]);
  assertEquals((await read("0\n", "a.pts")).count, 0);
  for (const header of ["//X Y Z Rf", "X Y Z Rf"]) {
    const named = await read(`${header}\n2\n1 2 3 0.5\n4 5 6 1\n`);
    assertEquals([named.count, ...named.attributes.keys()], [2, "Rf"]);
  }
  await refused(
    "3\n1 2 3 -5\n4 5 6 7\n",
    /line 4\): the file declares 3 points and holds 2/,
    "a.pts",
  );
  await refused(
    "1\n1 2 3 -5\n4 5 6 7\n",
    /line 3\): the file declares 1 points and holds more/,
    "a.pts",
  );
});

const GRID = "2\n2\n0 0 0\n1 0 0\n0 1 0\n0 0 1\n0 1 0 0\n-1 0 0 0\n0 0 1 0\n100000.001 20 30 1\n";

Deno.test("PTX: scans moved by their matrices, cells without a return left out", async () => {
  const rows = "1 2 3 0.25 255 0 0\n0 0 0 0.5 0 0 0\n2 3 4 0.75 0 255 0\n3 4 5 1 0 0 255\n";
  const cloud = await read(GRID + rows + GRID + rows, "scan");
  assertEquals(cloud.count, 6);
  const first = [0, 1, 2].map((k) => (cloud.origin[k] + cloud.coords[k]).toFixed(5));
  assertEquals(first, ["99998.00100", "21.00000", "33.00000"]);
  assertEquals(values(cloud, "intensity"), [0.25, 0.75, 1, 0.25, 0.75, 1]);
  assertEquals(values(cloud, "colors").slice(0, 6), [1, 0, 0, 0, 1, 0]);
  await refused(`${GRID}1 2 3 0.25\n`, /declares 4 points, the file holds 1/, "a.ptx");
  await refused(
    `${GRID}1 2 3\n1 2 3\n1 2 3\n1 2 3\n`,
    /line 11\): expected 4 values .* or 7/,
    "a.ptx",
  );
  await refused(
    "2\n2\n0 0 0\n1 0\n",
    /line 4\): expected 3 numbers of a scan's header, got 2/,
    "a.ptx",
  );
  await refused("90000000\n90000000\n", /expected a scan's scanner position/, "a.ptx");
});

Deno.test("text: refuses what is wrong and says where", async () => {
  await refused("X,Y,X\n\n0,0,0\n", /a\.txt \(line 1\): the column "X" stands twice/);
  await refused("X, Y, Z\n\n1, 2, 3,27\n1,2,3\n", /line 3\): expected 3 values \(X, Y, Z\), got 4/);
  await refused("1 2 3\n4 5 6\n7 8\n", /line 3\): expected 3 values, got 2/);
  await refused("1,2,3\n4,5,6\n7,8\n", /line 3\): expected 3 values, got 2/);
  await refused("1 2 3\n4 5 6 7\n", /line 2\): expected 3 values, got 4/);
  await refused("1 2 3\n4 5 185\x107\n", /line 2, column 8\): expected text, got the byte 0x10/);
  await refused("1 2 3\n4 five 6\n", /line 2, column 3\): expected a number, got "five"/);
  await refused("1 2\n4 5\n", /line 1\): expected at least 3 columns, got 2/);
  await refused(
    "a b c\n4 5 6\n",
    /line 1\): expected columns x, y and z; there is no x and no y among a, b, c/,
  );
  await refused("\n\n# nothing\n", /there is no line with points/);
  await refused("[Expe/PointSet/Binary/0.1]\n", /line 1\): expected columns x, y and z/, "a.pts");
  await refused("\xff", /expected text|expected columns/);
  const utf16 = new Uint8Array(new Uint16Array([0xfeff, 0x31, 0x20]).buffer);
  const error = await assertRejects(() => readPointCloudBytes(utf16, "a.txt"), DataError);
  assertMatch(error.message, /UTF-16; save it as UTF-8/);
});

const caseOf = (path: string): Promise<PointCloud> =>
  readPointCloud(fromFileUrl(new URL(`../../fixtures/cases/${path}`, import.meta.url)));
const firstPlace = ({ coords, origin }: PointCloud): number[] =>
  origin.map((offset, k) => Math.round((offset + coords[k]) * 1e3) / 1e3);

Deno.test("text: names in comments, after titles and with units are those of headers", async () => {
  const survey = [512345.1, 5412345.2, 250.1];
  for (const name of ["cmt_enh.txt", "hdr_enh.txt", "title_easting.csv"]) {
    assertEquals(firstPlace(await caseOf(`08_commented_header/${name}`)), survey, name);
  }
  assertEquals(firstPlace(await caseOf("08_commented_header/cmt_rule.txt")), [2, 3, 4]);
  for (
    const before of [
      "# id lon lat alt\n",
      "# id X[m] Y[m] Z[m]\n# (local)\n",
      "// id, easting_m, northing_m, height_m\n",
      "% id X [m] Y [m] Z [m]\n% ----\n",
      "# made by hand\n# Columns: id x y z\n# - m m m\n",
      "id x y z\n- m m m\n",
      "id X [m] Y [m] Z [m]\n",
      "Lageplan Nord\nMassstab: frei\nid\tRechtswert\tHochwert\tHöhe\n",
    ]
  ) {
    const cloud = await read(`${before}9 1 2 3\n9 4 5 6\n`);
    assertEquals([...cloud.coords], [1, 2, 3, 4, 5, 6], before);
  }
});

Deno.test("text: decimal commas are decided by all rows, and quotes protect commas", async () => {
  const late = await caseOf("12_decimal_comma/de_first_row_int.csv");
  assertEquals([late.count, ...firstPlace(late)], [3, 100, 200, 300]);
  const quoted = await caseOf("12_decimal_comma/de_quoted_comma.csv");
  assertEquals([quoted.count, ...firstPlace(quoted)], [2, 0.777, 1.25, 2.5]);
  const far = await read(`${"1;2;3\n".repeat(500)}1,5;2;3\n`);
  assertEquals([far.count, far.coords[1500]], [501, 1.5]);
  const blanks = await read("1 2 3\n1,5 2,5 3\n");
  assertEquals([...blanks.coords], [1, 2, 3, 1.5, 2.5, 3]);
  const words = await read('x,y,z,class\n1,2,3,"tree, old"\n4,5,6,"tree, old"\n');
  assertEquals([words.classNames, values(words, "labels")], [["tree, old"], [0, 0]]);
  const names = await read('"X, east","y","z"\n1,2,3\n', "a.csv").catch((error) => error.message);
  assertMatch(String(names), /no x among X, east, y, z/);
});

Deno.test("text: colours of 0 to 1 and labels after them; -100 is no label", async () => {
  const cloud = await caseOf("13_rgb01_label/xyz_rgbf_label.txt");
  assertEquals([...cloud.attributes.keys()], ["colors", "labels"]);
  assertEquals(values(cloud, "labels").slice(0, 3), [9, 1, 10]);
  const both = await read("1 2 3 .5 .5 .5 4 100017\n4 5 6 .5 1 .5 -100 -100\n");
  assertEquals([...both.attributes.keys()], ["colors", "labels", "instances"]);
  const instances = await read("1 2 3 9 9 9 4 7\n4 5 6 9 9 9 5 -100\n");
  assertEquals(values(instances, "instances"), [7, -100]);
});

Deno.test("text: classes in words become labels by the alphabet, with their names", async () => {
  const named = await caseOf("15_labels_words/label_words.csv");
  assertEquals([named.classNames, values(named, "labels")], [["car", "tree"], [1, 0, 1]]);
  const unnamed = await read("1 2 3 b\n1 2 4 a\n1 2 5 b\n1 2 6 b\n");
  assertEquals([unnamed.classNames, values(unnamed, "labels")], [["a", "b"], [1, 0, 1, 1]]);
  const dates = await read("1 2 3 2024-01-02\n4 5 6 2024-01-02\n");
  assertEquals(dates.attributes.size, 0);
  const dales = await caseOf("15_labels_words/dales_objects.ply");
  assertEquals(dales.attributes.has("labels"), true);
});

Deno.test("text: a control byte is told by line and column, early and late", async () => {
  for (const name of ["s3dis_ctrl_early.txt", "s3dis_ctrl_late.txt"]) {
    const error = await assertRejects(() => caseOf(`17_s3dis_ctrl/${name}`), DataError);
    assertMatch(error.message, /\(line \d+, column \d+\)/);
  }
});

Deno.test("text: a class may come first; empty labels are -1; a comment of other width is told", async () => {
  const first = await read("chair 1 2 3\nchair 2 3 4\ntable 2 3 5\ntable 2 3 5\n");
  assertEquals([[...first.coords.subarray(0, 3)], first.classNames], [[1, 2, 3], [
    "chair",
    "table",
  ]]);
  const empty = await read("x,y,z,label\n1,2,3,\n2,3,4,2\n");
  assertEquals(values(empty, "labels"), [-1, 2]);
  const other = await read("# time easting northing height\n1 2 3\n4 5 6\n");
  assertMatch(other.notes!.join(), /names 4 columns \(time, .*\), the rows have 3/);
  await refused("1 two 3 4\n1 2 3 4\n", /line 1, column 3\): expected a number, got "two"/);
});
