import { assertEquals, assertThrows } from "@std/assert";
import { compileKernel, grid } from "../../src/gpu/kernel.ts";

/** A device that compiles nothing and remembers what it was asked for. */
function fakeDevice() {
  const asked: { code?: string; entries?: GPUBindGroupLayoutEntry[] } = {};
  const device = {
    createShaderModule: ({ code }: GPUShaderModuleDescriptor) => (asked.code = code, {}),
    createBindGroupLayout: (
      { entries }: GPUBindGroupLayoutDescriptor,
    ) => (asked.entries = [...entries], {}),
    createPipelineLayout: () => ({}),
    createComputePipeline: () => ({}),
  } as unknown as GPUDevice;
  return { device, asked };
}

function compile(source: string, constants = {}) {
  return compileKernel(fakeDevice().device, "test", source, constants);
}

const MAIN = "@compute @workgroup_size(1) fn main() {}\n";

Deno.test("a kernel reads its bindings from the shader", () => {
  const { device, asked } = fakeDevice();
  const kernel = compileKernel(
    device,
    "test",
    `struct Params { rows: u32, factor: f32 }
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage,read_write> out: array<vec2f>;
@group(0)   @binding(2)
  var<storage> list: array<u32>;
@group(0) @binding(4) var<uniform> weights: array<vec4f, 8>;
@group(0) @binding(3) var<uniform> params: Params;
var<workgroup> part: array<f32, 64>;
${MAIN}`,
    {},
  );
  assertEquals(kernel.bindings, [
    { name: "x", index: 0, access: "read" },
    { name: "out", index: 1, access: "read_write" },
    { name: "list", index: 2, access: "read" },
    { name: "weights", index: 4, access: "uniform" },
  ]);
  assertEquals([kernel.paramsBinding, kernel.paramsSize], [3, 16]);
  assertEquals(asked.entries!.map(({ binding, buffer }) => [binding, buffer!.type]), [
    [0, "read-only-storage"],
    [1, "storage"],
    [2, "read-only-storage"],
    [4, "uniform"],
    [3, "uniform"],
  ]);
  assertEquals(asked.entries!.map(({ buffer }) => buffer!.hasDynamicOffset ?? false), [
    false,
    false,
    false,
    false,
    true,
  ]);
});

Deno.test("bindings in comments are no bindings", () => {
  const kernel = compile(`// @group(0) @binding(0) var<storage, read> old: array<f32>;
/* @group(0) @binding(1) var<storage, read> older: array<f32>; */
@group(0) @binding(2) var<storage, read> x: array<f32>;
${MAIN}`);
  assertEquals(kernel.bindings.map(({ name }) => name), ["x"]);
});

Deno.test("constants come before the source with their WGSL types", () => {
  const { device, asked } = fakeDevice();
  compileKernel(device, "test", MAIN, {
    COLS: 96,
    FAST: true,
    EPSILON: 1e-5,
    HALF: 0.5,
    LARGE: 4294967295,
  });
  assertEquals(asked.code!.split("\n").slice(0, 5), [
    "const COLS = 96u;",
    "const FAST = true;",
    "const EPSILON = 1e-5f;",
    "const HALF = 5e-1f;",
    "const LARGE = 4294967295u;",
  ]);
  assertEquals(asked.code!.endsWith(MAIN), true);
});

Deno.test("a constant that no WGSL literal can hold is refused", () => {
  for (const value of [-1, NaN, Infinity, 2 ** 32]) {
    assertThrows(() => compile(MAIN, { N: value }), Error, `Kernel test: constant N is ${value}`);
  }
  assertEquals(compile(MAIN, { N: -0.5 }).name, "test");
});

Deno.test("parameters are packed in the order of the struct, whatever the order given", () => {
  const kernel = compile(`struct Params {
  rows: u32, // comments, with: colons
  factor: f32,
  /* none: u32, */ first: u32,
  cols: u32,
  last: f32
}
@group(0) @binding(0) var<uniform> params: Params;
${MAIN}`);
  const bytes = new DataView(new ArrayBuffer(64));
  kernel.packParams(
    { last: -2, cols: 7, first: 4294967295, rows: 3, factor: 0.1 },
    bytes,
    16,
  );
  assertEquals(
    [
      bytes.getUint32(16, true),
      bytes.getFloat32(20, true),
      bytes.getUint32(24, true),
      bytes.getUint32(28, true),
      bytes.getFloat32(32, true),
    ],
    [3, Math.fround(0.1), 4294967295, 7, -2],
  );
  assertEquals(kernel.paramsSize, 32);
  assertThrows(
    () => kernel.packParams({ last: 0, cols: 0, first: 0, rows: 0, factor: 0, extra: 9 }, bytes, 0),
    Error,
    "Kernel test: there is no parameter extra, only rows, factor, first, cols, last",
  );
  assertThrows(
    () => kernel.packParams({ rows: 3 }, bytes, 0),
    Error,
    "parameter factor is missing",
  );
});

Deno.test("parameters that cannot be packed are refused when the kernel is made", () => {
  const withParams = (struct: string) =>
    `${struct}\n@group(0) @binding(0) var<uniform> params: Params;\n${MAIN}`;
  assertThrows(
    () => compile(withParams("struct Params { a: u32, b: vec2f }")),
    Error,
    "Kernel test: parameter b is vec2f, only u32 and f32 are known",
  );
  assertThrows(
    () => compile(withParams("")),
    Error,
    "Kernel test: binding params without struct Params",
  );
});

Deno.test("a kernel without parameters takes none", () => {
  const kernel = compile(MAIN);
  assertEquals([kernel.paramsBinding, kernel.paramsSize, kernel.bindings.length], [-1, 0, 0]);
});

Deno.test("a grid has room for every workgroup within the limit", () => {
  assertEquals(grid(0, 65_535), [0, 1]);
  assertEquals(grid(1, 65_535), [1, 1]);
  assertEquals(grid(65_535, 65_535), [65_535, 1]);
  assertEquals(grid(65_536, 65_535), [32_768, 2]);
  for (const groups of [65_537, 131_070, 131_071, 1_000_003, 65_535 ** 2]) {
    const [x, y] = grid(groups, 65_535);
    assertEquals([x <= 65_535, y <= 65_535, x * y >= groups, x * y - groups < y], [
      true,
      true,
      true,
      true,
    ]);
  }
});
