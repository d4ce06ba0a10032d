import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import {
  encodeSafetensors,
  parseSafetensors,
  readSafetensors,
  readSafetensorsHeader,
  type SafeTensor,
  toFloat32,
  toIntegers,
  writeSafetensors,
} from "../../src/base/safetensors.ts";
import { DataError, UsageError } from "../../src/base/errors.ts";

const canRead = Deno.permissions.querySync({ name: "read" }).state === "granted";
const canWrite = canRead && Deno.permissions.querySync({ name: "write" }).state === "granted";
const golden = new URL("../fixtures/golden/", import.meta.url);

/** A file from a header's text (not padded) and data bytes. */
function file(header: string | Uint8Array, dataSize = 0, statedLength?: bigint): Uint8Array {
  const text = typeof header === "string" ? new TextEncoder().encode(header) : header;
  const bytes = new Uint8Array(8 + text.length + dataSize);
  new DataView(bytes.buffer).setBigUint64(0, statedLength ?? BigInt(text.length), true);
  bytes.set(text, 8);
  return bytes;
}

function f32(shape: number[], values: number[]): SafeTensor {
  return { dtype: "F32", shape, data: Float32Array.from(values) };
}

const everyDtype = new Map<string, SafeTensor>([
  ["bool", { dtype: "BOOL", shape: [3], data: Uint8Array.of(1, 0, 1) }],
  ["u8", { dtype: "U8", shape: [1, 5], data: Uint8Array.of(0, 1, 2, 254, 255) }],
  ["i8", { dtype: "I8", shape: [3], data: Int8Array.of(-128, 0, 127) }],
  ["i16", { dtype: "I16", shape: [3], data: Int16Array.of(-32768, 7, 32767) }],
  ["u16", { dtype: "U16", shape: [1], data: Uint16Array.of(65535) }],
  ["f16", { dtype: "F16", shape: [3], data: Float16Array.of(1.5, -0.25, 65504) }],
  ["bf16", { dtype: "BF16", shape: [3], data: Uint16Array.of(0x3f80, 0xc040, 0x7f80) }],
  ["i32", { dtype: "I32", shape: [2], data: Int32Array.of(-(2 ** 31), 2 ** 31 - 1) }],
  ["u32", { dtype: "U32", shape: [1], data: Uint32Array.of(2 ** 32 - 1) }],
  ["f32", { dtype: "F32", shape: [2, 3], data: Float32Array.of(1, 2, 3, -4, NaN, Infinity) }],
  ["f64", { dtype: "F64", shape: [], data: Float64Array.of(Math.PI) }],
  ["i64", { dtype: "I64", shape: [2], data: BigInt64Array.of(-5n, 2n ** 53n - 1n) }],
  ["u64", { dtype: "U64", shape: [1], data: BigUint64Array.of(2n ** 64n - 1n) }],
  ["empty/é", { dtype: "F32", shape: [0, 4], data: new Float32Array(0) }],
]);

Deno.test("what is encoded is parsed back, every dtype, at any alignment of the bytes", () => {
  const metadata = { config: '{"a":"\\"}{"}', "2": "two", note: "grüße\n" };
  const encoded = encodeSafetensors(everyDtype, metadata);
  for (const shift of [0, 1, 4]) {
    const padded = new Uint8Array(shift + encoded.length);
    padded.set(encoded, shift);
    const { tensors, metadata: read } = parseSafetensors(padded.subarray(shift), "memory");
    assertEquals(read, metadata);
    assertEquals(tensors.size, everyDtype.size);
    for (const [name, tensor] of everyDtype) assertEquals(tensors.get(name), tensor, name);
  }
});

Deno.test("the layout is Python's: widest types first, then by name, header padded to 8 bytes", () => {
  const encoded = encodeSafetensors(
    new Map<string, SafeTensor>([
      ["b", f32([2], [1, 2])],
      ["bytes", { dtype: "U8", shape: [3], data: Uint8Array.of(9, 8, 7) }],
      ["1", f32([1], [3])],
      ["a", { dtype: "I64", shape: [1], data: BigInt64Array.of(4n) }],
    ]),
    { format: "pt" },
  );
  const length = Number(new DataView(encoded.buffer).getBigUint64(0, true));
  const header = new TextDecoder().decode(encoded.subarray(8, 8 + length));
  assertEquals(length % 8, 0);
  assertEquals(
    header.trimEnd(),
    '{"__metadata__":{"format":"pt"},"a":{"dtype":"I64","shape":[1],"data_offsets":[0,8]},' +
      '"1":{"dtype":"F32","shape":[1],"data_offsets":[8,12]},' +
      '"b":{"dtype":"F32","shape":[2],"data_offsets":[12,20]},' +
      '"bytes":{"dtype":"U8","shape":[3],"data_offsets":[20,23]}}',
  );
  assertEquals(encoded.length, 8 + length + 23);
});

Deno.test("no tensors and no metadata is a file too", () => {
  const { tensors, metadata } = parseSafetensors(encodeSafetensors(new Map()), "memory");
  assertEquals([tensors.size, metadata], [0, {}]);
});

Deno.test("aligned tensors are views, misaligned ones copies", () => {
  const encoded = encodeSafetensors(new Map([["x", f32([1], [1])]]));
  const aligned = parseSafetensors(encoded, "memory").tensors.get("x")!;
  assert(aligned.data.buffer === encoded.buffer);
  const shifted = new Uint8Array(encoded.length + 1);
  shifted.set(encoded, 1);
  const copied = parseSafetensors(shifted.subarray(1), "memory").tensors.get("x")!;
  assert(copied.data.buffer !== shifted.buffer);
  assertEquals(copied.data, Float32Array.of(1));
});

Deno.test("half floats become float32 exactly, wide integers do not pass as floats", () => {
  const tensors = everyDtype;
  assertEquals(toFloat32(tensors.get("f16")!), Float32Array.of(1.5, -0.25, 65504));
  assertEquals(toFloat32(tensors.get("bf16")!), Float32Array.of(1, -3, Infinity));
  assertEquals(toFloat32(tensors.get("f64")!), Float32Array.of(Math.fround(Math.PI)));
  assertEquals(toFloat32(tensors.get("i16")!), Float32Array.of(-32768, 7, 32767));
  assert(toFloat32(tensors.get("f32")!) === tensors.get("f32")!.data);
  for (const name of ["i32", "u32", "i64", "u64", "bool"]) {
    assertThrows(() => toFloat32(tensors.get(name)!, name), DataError, `Cannot read ${name}`);
  }
});

Deno.test("integers become numbers within a stated range", () => {
  const offsets = everyDtype.get("i64")!;
  assertEquals(toIntegers(offsets), Float64Array.of(-5, 2 ** 53 - 1));
  assertThrows(
    () => toIntegers(offsets, "offsets", { min: 0, max: 10 }),
    DataError,
    "Cannot read offsets as integers: expected values from 0 to 10, found -5 at position 0",
  );
  assertThrows(() => toIntegers(everyDtype.get("u64")!), DataError, "18446744073709551615");
  assertThrows(() => toIntegers(everyDtype.get("bf16")!), DataError, "found BF16");
  assertThrows(() => toIntegers(everyDtype.get("bool")!), DataError, "found BOOL");
});

const entry = (dtype: string, shape: string, offsets: string) =>
  `{"dtype":"${dtype}","shape":${shape},"data_offsets":${offsets}}`;

const corrupt: [what: string, bytes: Uint8Array, message: string][] = [
  ["empty file", new Uint8Array(0), "the file has 0 bytes"],
  ["seven bytes", new Uint8Array(7), "the file has 7 bytes"],
  ["length past the file", file("{}", 0, 3n), "a header of 3 bytes, the file has only 2"],
  ["giant length", file("{}", 0, 2n ** 64n - 1n), "at most 100000000 are allowed"],
  ["a pickle", file("\x80\x02}q\x00", 3), 'must begin with "{"'],
  ["no header", file(""), 'must begin with "{"'],
  ["not UTF-8", file(Uint8Array.of(0x7b, 0xff, 0x7d)), "not UTF-8"],
  ["bad JSON", file('{"a":'), "not JSON"],
  ["a JSON text after", file("{}{}"), "not JSON"],
  ["duplicate tensor", file(`{"a":${entry("U8", "[0]", "[0,0]")},"\\u0061":{}}`), 'key "a" twice'],
  ["duplicate in entry", file('{"a":{"dtype":"U8","dtype" :"F32"}}'), 'key "dtype" twice'],
  ["metadata not text", file('{"__metadata__":{"a":1}}'), 'expected text under "a", found 1'],
  ["metadata a list", file('{"__metadata__":[]}'), "expected an object, found []"],
  ["entry not an object", file('{"a":3}'), 'tensor "a": expected an object, found 3'],
  ["unknown dtype", file(`{"a":${entry("F8_E4M3", "[1]", "[0,1]")}}`, 1), 'found "F8_E4M3"'],
  ["dtype of a prototype", file(`{"a":${entry("toString", "[1]", "[0,1]")}}`, 1), "toString"],
  ["negative shape", file(`{"a":${entry("U8", "[-1]", "[0,1]")}}`, 1), "found [-1]"],
  ["fractional shape", file(`{"a":${entry("U8", "[1.5]", "[0,1]")}}`, 1), "found [1.5]"],
  ["no offsets", file('{"a":{"dtype":"U8","shape":[1]}}', 1), "found nothing"],
  ["three offsets", file(`{"a":${entry("U8", "[1]", "[0,1,2]")}}`, 1), "found [0,1,2]"],
  ["reversed offsets", file(`{"a":${entry("U8", "[1]", "[1,0]")}}`, 1), "hold -1"],
  ["size mismatch", file(`{"a":${entry("F32", "[2,2]", "[0,12]")}}`, 12), "takes 16 bytes"],
  [
    "overflowing shape",
    file(`{"a":${entry("F32", "[4294967296,4294967296,4]", "[0,0]")}}`),
    "hold 0",
  ],
  ["data past the end", file(`{"a":${entry("F32", "[3]", "[0,12]")}}`, 8), "only 8 data bytes"],
  [
    "giant tensor in a tiny file",
    file(`{"a":${entry("U8", "[1000000000000]", "[0,1000000000000]")}}`, 8),
    "only 8 data bytes",
  ],
  [
    "overlap",
    file(`{"a":${entry("U8", "[4]", "[0,4]")},"b":${entry("U8", "[4]", "[2,6]")}}`, 6),
    'tensor "b" begins at data byte 2, inside tensor "a"',
  ],
  [
    "hole",
    file(`{"a":${entry("U8", "[4]", "[0,4]")},"b":${entry("U8", "[1]", "[6,7]")}}`, 7),
    'data bytes 4 to 6 before tensor "b" belong to no tensor',
  ],
  ["bytes left over", file(`{"a":${entry("U8", "[1]", "[0,1]")}}`, 3), "the file has 3 data"],
];

Deno.test("a corrupt file gives one error that names the file and what is wrong", () => {
  for (const [what, bytes, message] of corrupt) {
    const error = assertThrows(() => parseSafetensors(bytes, "bad.st"), DataError, message, what);
    assert(error.message.startsWith("Cannot read bad.st as safetensors: "), what);
    assert(!error.message.includes("\n"), what);
  }
});

Deno.test("every file cut short or with one header byte changed is read or refused cleanly", () => {
  const good = encodeSafetensors(
    new Map([["a", f32([2], [1, 2])], ["b", f32([1, 3], [3, 4, 5])]]),
    { k: "v" },
  );
  for (let size = 0; size < good.length; size++) {
    assertThrows(() => parseSafetensors(good.subarray(0, size), "cut"), DataError);
  }
  let refused = 0;
  for (let at = 0; at < good.length - 20; at++) {
    for (const value of [0, 0x22, 0x30, 0x7d, 0xff]) {
      const bytes = good.slice();
      bytes[at] = value;
      try {
        parseSafetensors(bytes, "flipped");
      } catch (error) {
        assert(error instanceof DataError, String(error));
        refused++;
      }
    }
  }
  assert(refused > 500, `${refused}`);
});

Deno.test({
  name: "the golden files that PyTorch wrote parse",
  ignore: !canRead,
  async fn() {
    for (const name of ["full_max_ragged", "sampled_points", "small_max", "small_mean_attention"]) {
      const path = fromFileUrl(new URL(`${name}.safetensors`, golden));
      const { tensors, metadata } = await readSafetensors(path);
      assert(JSON.parse(metadata.config).output_dim > 0);
      assert(Array.isArray(JSON.parse(metadata.hierarchies)));
      const offset = toIntegers(tensors.get("input/offset")!);
      const coords = tensors.get("input/view1.coord")!;
      assertEquals(coords.shape, [offset[offset.length - 1], 3]);
      assertEquals(toFloat32(coords).length, coords.shape[0] * 3);
      assertEquals(tensors.get("loss/total")!.data.length, 1);
      const header = await readSafetensorsHeader(path);
      assertEquals([...header.tensors.keys()], [...tensors.keys()]);
      assertEquals(header.metadata, metadata);
    }
  },
});

Deno.test({
  name: "files are written whole or not at all",
  ignore: !canWrite,
  async fn() {
    const folder = await Deno.makeTempDir();
    const names = () => [...Deno.readDirSync(folder)].map((entry) => entry.name).sort();
    try {
      const path = join(folder, "weights.safetensors");
      await writeSafetensors(path, everyDtype, { epoch: "3" });
      await writeSafetensors(path, new Map([["x", f32([1], [2])]]), { epoch: "4" });
      assertEquals((await readSafetensors(path)).metadata, { epoch: "4" });
      assertEquals(names(), ["weights.safetensors"]);

      await assertRejects(
        () => writeSafetensors(path, new Map([["x", f32([2], [2])]])),
        TypeError,
        "Cannot write tensor x: expected 2 values for shape [2], got 1",
      );
      await assertRejects(
        () => writeSafetensors(join(folder, "none", "w"), new Map()),
        UsageError,
        "does not exist",
      );
      await Deno.mkdir(join(folder, "taken"));
      await assertRejects(
        () => writeSafetensors(join(folder, "taken"), new Map()),
        UsageError,
        "found a folder",
      );
      assertEquals(names(), ["taken", "weights.safetensors"]);
      assertEquals((await readSafetensors(path)).metadata, { epoch: "4" });
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});

Deno.test({
  name: "reading says what is wrong with a path",
  ignore: !canWrite,
  async fn() {
    const folder = await Deno.makeTempDir();
    try {
      for (const read of [readSafetensors, readSafetensorsHeader]) {
        await assertRejects(() => read(join(folder, "none")), UsageError, "there is no such file");
        await assertRejects(() => read(folder), UsageError, "expected a file, found a folder");
        for (const [what, bytes, message] of corrupt) {
          const path = join(folder, "bad");
          await Deno.writeFile(path, bytes);
          await assertRejects(() => read(path), DataError, message, what);
        }
      }
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});

Deno.test("what does not fit its dtype or shape is not written", () => {
  const wrong = { dtype: "F32", shape: [1], data: Float64Array.of(1) } as unknown as SafeTensor;
  assertThrows(
    () => encodeSafetensors(new Map([["w", wrong]])),
    TypeError,
    "Cannot write tensor w: expected Float32Array for F32, got Float64Array",
  );
  assertThrows(() => encodeSafetensors(new Map([["__metadata__", f32([1], [1])]])), TypeError);
});
