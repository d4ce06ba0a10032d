import { assertEquals, assertStrictEquals } from "@std/assert";
import { BindGroups } from "../../src/gpu/bind_groups.ts";
import { empty, tensor, zeros } from "../../src/tensor/mod.ts";
import { deviceTest, testDevice } from "../support/device.ts";

const ADD = `struct Params { n: u32 }
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;
@compute @workgroup_size(8)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x < params.n) { out[id.x] = x[id.x] + 1.0; }
}`;

deviceTest("a bind group is made once for a kernel and what it binds", async () => {
  const device = await testDevice();
  using _ = device.scope();
  const params = device.gpu.createBuffer({ size: 256, usage: GPUBufferUsage.UNIFORM });
  const groups = new BindGroups(device.gpu, params);
  const kernel = device.kernel("bind groups", ADD);
  const other = device.kernel("bind groups again", ADD + "\n");
  const [x, out] = [zeros(device, [128]), empty(device, [128])];
  const first = groups.of(kernel, { x: x.slice, out: out.slice });
  assertStrictEquals(groups.of(kernel, { out: { ...out.slice }, x: { ...x.slice } }), first);
  const { buffer, size } = x.slice;
  const different = [
    groups.of(other, { x: x.slice, out: out.slice }),
    groups.of(kernel, { x: out.slice, out: x.slice }),
    groups.of(kernel, { x: { buffer, offset: 256, size: 256 }, out: out.slice }),
    groups.of(kernel, { x: { buffer, offset: 0, size: size - 4 }, out: out.slice }),
  ];
  assertEquals(new Set([first, ...different]).size, 5);
  params.destroy();
});

deviceTest("a buffer in the place of a destroyed one is bound anew", async () => {
  const device = await testDevice();
  const kernel = device.kernel("bind groups", ADD);
  const add = async (value: number) => {
    using _ = device.scope();
    const x = tensor(device, new Float32Array(5000).fill(value)), out = empty(device, [5000]);
    device.run(kernel, { x: x.slice, out: out.slice }, { n: 5000 }, 625);
    return (await out.data())[4999];
  };
  assertEquals([await add(1), await add(2)], [2, 3]);
  device.pool.trim();
  assertEquals([await add(4), await add(8)], [5, 9]);
});
