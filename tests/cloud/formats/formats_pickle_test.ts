import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { readPickledScene } from "../../../src/cloud/formats/pickle/pkl_scene.ts";
import { readPickle } from "../../../src/cloud/formats/pickle/torch_storage.ts";
import { treeFromNested } from "../../../src/scenes/region_tree.ts";
import { DataError } from "../../../src/base/errors.ts";
import { pickleSamples as samples } from "../../support/pickle_samples.ts";

const COORDS = Float32Array.from({ length: 21 }, (_, i) => i * 0.25 - 1);
const NORMALS = Float32Array.from({ length: 21 }, (_, i) => (i % 3 === 2 ? 1 : 0));
const NO_SCENE = /^refused|object array/;

const bytesOf = (text: string): Uint8Array => Uint8Array.from(text, (c) => c.charCodeAt(0));
const scenes = [...samples].filter(([name]) => !NO_SCENE.test(name));

for (const [name, bytes] of scenes) {
  Deno.test(`pickle: ${name} gives the scene that was pickled`, () => {
    const { cloud, hierarchy } = readPickledScene(bytes, name);
    assertEquals(cloud.count, 7);
    assertEquals(cloud.coords, COORDS);
    assertEquals(cloud.origin, [0, 0, 0]);
    assertEquals(Float32Array.from(cloud.attributes.get("normals")!.data), NORMALS);
    const tree = treeFromNested(hierarchy, 7, name);
    assertEquals([...tree.level], [0, 1, 1, 2]);
    assertEquals([...tree.parent], [-1, 0, 0, 2]);
    assertEquals([...tree.center], [3, 3, 6, 0]);
    assertEquals([...tree.order], [4, 1, 3, 6, 0, 2, 5]);
  });
}

Deno.test("pickle: labels, colours and other columns keep their names", () => {
  const { cloud, sceneLabel } = readPickledScene(samples.get("labels and colours")!, "s");
  assertEquals(sceneLabel, 4);
  assertEquals(cloud.attributes.get("labels"), {
    width: 1,
    data: Int32Array.from([0, 1, 2, 0, 1, 2, 0]),
  });
  assertEquals(cloud.attributes.get("colors")!.data[1], Math.fround(12 / 255));
  assertEquals([...cloud.attributes.get("curvature")!.data].slice(0, 3), [0, 1 / 6, 1 / 3]);
});

for (const [name, bytes] of samples) {
  if (!name.startsWith("refused: ")) continue;
  Deno.test(`pickle: ${name.slice(9)} is refused by name`, () => {
    const global = name.slice(9).replace(/ protocol \d$/, "").replace("os.", "(posix|nt|os).");
    const error = assertThrows(() => readPickledScene(bytes, "evil.pkl"), DataError);
    assertMatch(error.message, new RegExp(global));
    assertMatch(error.message, /^Cannot read evil\.pkl \(byte \d+\): holds .* refused$/);
  });
}

Deno.test("pickle: arrays of Python objects are refused, saying so", () => {
  const error = assertThrows(
    () => readPickledScene(samples.get("object array")!, "o.pkl"),
    DataError,
  );
  assertMatch(error.message, /o\.pkl: coords is an array of Python objects \(dtype O8\)/);
});

Deno.test("pickle: plain values come as Python has them", () => {
  const read = (text: string) => readPickle(bytesOf(text), "p");
  assertEquals(read("I42\n."), 42);
  assertEquals(read("I01\n."), true);
  assertEquals(read("L-123456789012345678901L\n."), -123456789012345678901n);
  assertEquals(read("F-1.5e3\n."), -1500);
  assertEquals(read("Fnan\n."), NaN);
  assertEquals(read("S'a\\x41\\n'\n."), "aA\n");
  assertEquals(read("V\\u00e9\\U0001f600\n."), "é😀");
  assertEquals(read("\x80\x04\x8a\x02\x00\xff."), -256);
  assertEquals(read("\x80\x03G\x3f\xf8\x00\x00\x00\x00\x00\x00."), 1.5);
  assertEquals(read("(lp0\nI1\naI2\nag0\na.") instanceof Array, true);
  assertEquals(read("(dp0\nS'a'\nNs."), new Map([["a", null]]));
});

Deno.test("pickle: damaged ones name the byte", () => {
  const cases: [string, RegExp][] = [
    ["", /\(byte 0\): the pickle is cut short/],
    ["\x80\x09.", /\(byte 0\): pickle protocol 9: 0 to 5 are read/],
    ["\x80\x04a.", /\(byte 2\): .*stack is empty/],
    ["\x80\x04\xfe", /\(byte 2\): .*opcode 0xfe is unknown/],
    ["\x80\x04h\x05.", /\(byte 2\): .*nothing is stored under 5/],
    ["\x80\x04t.", /\(byte 2\): .*a mark is missing/],
    ["\x80\x04X\xff\xff\xff\xffa.", /\(byte 2\): .*4294967295 more bytes expected, 2 are left/],
    ["\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\xffa.", /\(byte 2\): .*more bytes expected/],
    ["\x80\x04K\x01Q.", /\(byte 4\): .*persistent id/],
    ["\x80\x04\x82\x01.", /\(byte 2\): .*extension registry/],
    ["\x80\x05\x97.", /\(byte 2\): .*out-of-band/],
    ["(ios\nsystem\np0\n.", /\(byte 1\): holds an object of os\.system: refused/],
    ["cos\nsystem\n.", /\(byte 0\): holds os\.system, which is not data: refused/],
    ["\x80\x04}]K\x01s.", /\(byte 6\): .*key of type a list/],
  ];
  for (const [text, expected] of cases) {
    const error = assertThrows(() => readPickle(bytesOf(text), "p"), DataError);
    assertMatch(error.message, expected);
  }
});

Deno.test("pickle: no bomb goes off", () => {
  // A list of lists of lists …, each holding the one before ten times; never unfolded, for nothing
  // walks it.
  let text = "\x80\x04]\x94K\x01a";
  for (let i = 0; i < 40; i++) text += `]\x94(${`h${String.fromCharCode(i)}`.repeat(10)}e`;
  assert(readPickle(bytesOf(text + "."), "p") instanceof Array);
  // The same megabyte of text encoded over and over.
  const long = "\x80\x04c_codecs\nencode\n\x94\x8c\x06latin1\x94X\x40\x42\x0f\x00" +
    "a".repeat(1e6) +
    "\x94" + "0h\x00h\x02h\x01\x86R".repeat(1000) + ".";
  const error = assertThrows(() => readPickle(bytesOf(long), "p"), DataError);
  assertMatch(error.message, /over and over/);
});

const region = (children: string): string =>
  `}(\x8c\x07indices](K\x00K\x01e\x8c\x0acenter_idxK\x00\x8c\x05levelK\x00\x8c\x08children${children}u`;
const torchCoords = (() => {
  const bytes = samples.get("numpy protocol 4")!;
  const text = String.fromCharCode(...bytes);
  return text.slice(0, text.indexOf("\x8c\x09hierarchy"));
})();

Deno.test("pickle: a region that holds itself or stands twice is an error, not a hang", () => {
  // hierarchy: a dict stored in the memo under 99, whose children list holds it, twice.
  for (const children of ["](h\x63e", "](h\x63h\x63e"]) {
    const dict = `}q\x63(\x8c\x07indices](K\x00K\x01e\x8c\x0acenter_idxK\x00\x8c\x05levelK\x00` +
      `\x8c\x08children${children}u`;
    const { hierarchy } = readPickledScene(
      bytesOf(`${torchCoords}\x8c\x09hierarchy${dict}u.`),
      "p",
    );
    const error = assertThrows(() => treeFromNested(hierarchy, 7, "p"), DataError);
    assertMatch(error.message, /the same region object already stands elsewhere/);
  }
});

Deno.test("pickle: indices shared by thousands of regions are refused", () => {
  let tree = region("]");
  for (let i = 0; i < 200; i++) tree = region(`](${tree}e`);
  const shared = tree.replaceAll("](K\x00K\x01e", "h\x62");
  const first = `](${"K\x00".repeat(2000)}e\x71\x62`;
  const text = `${torchCoords}\x8c\x01i${first}\x8c\x09hierarchy${shared}u.`;
  const error = assertThrows(() => readPickledScene(bytesOf(text), "p"), DataError);
  assertMatch(error.message, /its regions list \d+ points out of a file of \d+ bytes/);
});

Deno.test("pickle: cut short anywhere is one clear error", () => {
  for (
    const name of ["torch protocol 4", "numpy protocol 2", "torch.save", "torch.save, old stream"]
  ) {
    const bytes = samples.get(name)!;
    const step = Math.max(1, Math.floor(bytes.length / 600));
    for (let length = 0; length < bytes.length; length += step) {
      const error = assertThrows(
        () => readPickledScene(bytes.subarray(0, length), "cut"),
        DataError,
      );
      assertMatch(error.message, /cut/);
    }
  }
});

Deno.test("pickle: a scene without coords says what it holds", () => {
  const error = assertThrows(() => readPickledScene(bytesOf("\x80\x04}."), "e.pkl"), DataError);
  assertMatch(error.message, /holds no coordinates: expected an array named coords/);
  const list = assertThrows(() => readPickledScene(bytesOf("\x80\x04]."), "l.pkl"), DataError);
  assertMatch(list.message, /expected a dict with coords, normals and hierarchy, got a list/);
});
