import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertNotStrictEquals,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { findAdapter, parseDeviceRequest } from "../../src/gpu/adapter.ts";
import { Device } from "../../src/gpu/device.ts";
import { compileKernel } from "../../src/gpu/kernel.ts";
import { DeviceError, formatBytes, NoDeviceError } from "../../src/gpu/errors.ts";
import { UsageError } from "../../src/base/errors.ts";
import { empty, exp, mul, scale, sum, type Tensor, tensor, zeros } from "../../src/tensor/mod.ts";
import { deviceTest, testDevice } from "../support/device.ts";

/** A kernel that writes `body` to an array of u32; one workgroup of 8. */
function shader(body: string): string {
  return `struct Params { n: u32 }
@group(0) @binding(0) var<storage, read_write> out: array<u32>;
@group(0) @binding(1) var<uniform> params: Params;
@compute @workgroup_size(8)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = linear_group(group, groups) * 8u + lane;
  ${body}
}`;
}

async function failure(promise: Promise<unknown>): Promise<DeviceError> {
  const error: Error = await assertRejects(() => promise);
  assertInstanceOf(error, DeviceError);
  return error;
}

deviceTest("a grid past 65,535 workgroups reaches every element once", async () => {
  const device = await testDevice();
  using _ = device.scope();
  const n = 8 * 70_001 - 3;
  const out = zeros(device, [n], "u32");
  const kernel = device.kernel("count", shader("if (i < params.n) { out[i] += i + 1u; }"));
  device.run(kernel, { out: out.slice }, { n }, Math.ceil(n / 8));
  const values = await out.integers();
  assertEquals(values.findIndex((v, i) => v !== i + 1), -1);
});

deviceTest("no groups are no dispatch", async () => {
  const device = await testDevice();
  using _ = device.scope();
  const out = zeros(device, [8], "u32");
  const before = device.counters.dispatches;
  device.run(device.kernel("count", shader("out[i] = 1u;")), { out: out.slice }, { n: 8 }, 0);
  assertEquals(device.counters.dispatches, before);
});

deviceTest(
  "writes, dispatches, copies and clears happen in the order they are recorded",
  async () => {
    const device = await testDevice();
    using _ = device.scope();
    const x = tensor(device, [1, 2]);
    const doubled = scale(x, 2);
    device.write(x.slice, new Float32Array([10, 20]));
    const again = scale(x, 2);
    const copied = empty(device, [2]);
    device.copy(again.slice, copied.slice);
    device.clear(again.slice);
    assertEquals(
      await Promise.all([doubled, x, copied, again].map(async (t) => [...await t.data()])),
      [[2, 4], [10, 20], [20, 40], [0, 0]],
    );
  },
);

deviceTest("a write submits what was recorded only where that uses the buffer", async () => {
  const device = await testDevice();
  using _ = device.scope();
  device.flush();
  const x = tensor(device, [1, 2]);
  const other = tensor(device, [5, 6]);
  const before = device.counters.submissions;
  const doubled = scale(x, 2);
  device.write(other.slice, new Float32Array([7, 8]));
  const later = scale(other, 2);
  assertEquals(device.counters.submissions, before);
  device.write(other.slice, new Float32Array([9, 10]));
  assertEquals(device.counters.submissions, before + 1);
  const copied = empty(device, [2]);
  device.copy(other.slice, copied.slice);
  device.write(copied.slice, new Float32Array([11, 12]));
  device.clear(x.slice);
  device.write(x.slice, new Float32Array([13, 14]));
  assertEquals(device.counters.submissions, before + 3);
  const all = [doubled, later, other, copied, x];
  assertEquals(
    await Promise.all(all.map(async (t) => [...await t.data()])),
    [[2, 4], [14, 16], [9, 10], [11, 12], [13, 14]],
  );
});

deviceTest("uploads in a row of steps that nobody submits take a megabyte at most", async () => {
  const device = await testDevice();
  device.flush();
  device.pool.trim();
  device.pool.resetPeak();
  const held = device.pool.usage.peak;
  const data = new Float32Array(1 << 16);
  for (let k = 0; k < 20; k++) {
    using _ = device.scope();
    scale(tensor(device, data), 2);
  }
  assert(device.pool.usage.peak - held <= 6 * data.byteLength);
  await device.sync();
});

deviceTest("two reads can be in flight, and each sees what was recorded before it", async () => {
  const device = await testDevice();
  using _ = device.scope();
  const x = tensor(device, [1, 2, 3]);
  const first = x.data();
  device.write(x.slice, new Float32Array([4, 5, 6]));
  const second = x.data();
  assertEquals([[...await first], [...await second]], [[1, 2, 3], [4, 5, 6]]);
});

deviceTest("reading nothing gives nothing", async () => {
  const device = await testDevice();
  using _ = device.scope();
  assertEquals([...await zeros(device, [0, 3]).data()], []);
});

deviceTest("thousands of dispatches keep their own parameters", async () => {
  const device = await testDevice();
  using _ = device.scope();
  const out = zeros(device, [8], "u32");
  const kernel = device.kernel("add_n", shader("out[i] += params.n;"));
  for (let n = 1; n <= 5000; n++) device.run(kernel, { out: out.slice }, { n }, 1);
  assertEquals([...await out.integers()], Array(8).fill(5000 * 5001 / 2));
});

deviceTest("a kernel is compiled once for a name and constants", async () => {
  const device = await testDevice();
  const kernel = (LANES: number) => device.kernel("constant", shader("out[i] = LANES;"), { LANES });
  assert(kernel(1) === kernel(1));
  assert(kernel(1) !== kernel(2));
});

deviceTest("bindings and parameters that are missing are named", async () => {
  const device = await testDevice();
  using _ = device.scope();
  const out = zeros(device, [8], "u32");
  const kernel = device.kernel("add_n", shader("out[i] += params.n;"));
  assertThrows(
    () => device.run(kernel, {}, { n: 1 }, 1),
    Error,
    "Kernel add_n: binding out is missing",
  );
  assertThrows(
    () => device.run(kernel, { out: out.slice }, {}, 1),
    Error,
    "parameter n is missing",
  );
  await device.sync();
});

deviceTest("a binding larger than the device allows is refused in words", async () => {
  using device = await Device.create({ maxBindingBytes: 1024 });
  using _ = device.scope();
  const out = zeros(device, [257], "u32");
  const kernel = device.kernel("add_n", shader("out[i] += params.n;"));
  const error = assertThrows(
    () => device.run(kernel, { out: out.slice }, { n: 1 }, 1),
    DeviceError,
    "Cannot bind 1.0 KiB as out of add_n: the device allows 1.0 KiB.",
  ) as Error;
  assertEquals(error.message.endsWith("Use a smaller batch or smaller scenes."), true);
});

// A device that failed stays failed, so each of these takes its own.
const REFUSED: [what: string, expected: RegExp, record: (device: Device, out: Tensor) => void][] = [
  [
    "does not parse",
    /broken[\s\S]*expected expression/,
    (device, out) =>
      device.run(device.kernel("broken", shader("let x = ;")), { out: out.slice }, { n: 1 }, 1),
  ],
  [
    "has wrong types",
    /mistyped[\s\S]*u32/,
    (device, out) =>
      device.run(
        device.kernel("mistyped", shader("out[i] = 1.5;")),
        { out: out.slice },
        { n: 1 },
        1,
      ),
  ],
  [
    "has too large a grid",
    /dispatch[\s\S]*too_many/,
    (device, out) =>
      device.run(device.kernel("too_many", shader("out[i] = 1u;")), { out: out.slice }, { n: 1 }, [
        device.limits.maxComputeWorkgroupsPerDimension + 1,
        1,
        1,
      ]),
  ],
  ["binds at an odd offset", /alignment[\s\S]*misaligned/, (device, out) =>
    device.run(
      device.kernel("misaligned", shader("out[i] = 1u;")),
      { out: { ...out.slice, offset: 4, size: 32 } },
      { n: 1 },
      1,
    )],
];
for (const [what, expected, record] of REFUSED) {
  for (const wait of ["read", "sync"] as const) {
    deviceTest(`a kernel that ${what} is an error at the next ${wait}, with its name`, async () => {
      using device = await Device.create();
      using _ = device.scope();
      const out = zeros(device, [800], "u32");
      record(device, out);
      const error = await failure(wait === "read" ? out.integers() : device.sync());
      assert(expected.test(error.message), error.message);
      assertThrows(() => device.check(), DeviceError);
      await failure(device.sync());
    });
  }
}

deviceTest(
  "a lost device is an error from read, sync and whatever follows, and no hang",
  async () => {
    for (const wait of ["read", "sync", "read begun", "sync begun"]) {
      using device = await Device.create();
      using _ = device.scope();
      const x = tensor(device, [1, 2, 3]);
      const begin = () => wait.startsWith("read") ? x.data() : device.sync();
      const begun = wait.endsWith("begun") ? begin() : null;
      device.gpu.destroy();
      const error = await failure(begun ?? begin());
      assert(/^The device was lost \(destroyed\)/.test(error.message), error.message);
      await failure(mul(x, x).data());
      await failure(sum(x).item());
      await failure(device.sync());
      assertThrows(() => device.check(), DeviceError, "lost");
    }
  },
);

deviceTest("a closed device says so", async () => {
  const device = await Device.create();
  device[Symbol.dispose]();
  device[Symbol.dispose]();
  assertThrows(() => device.check(), DeviceError, "The device is closed.");
  assertEquals((await failure(device.sync())).message, "The device is closed.");
});

deviceTest("device names are read, with the older synonyms", () => {
  const names = ["auto", "gpu", "software", "cuda", "cpu"];
  assertEquals(names.map(parseDeviceRequest), ["auto", "gpu", "software", "gpu", "software"]);
  for (const name of ["", "GPU", "tpu", "constructor"]) {
    assertThrows(
      () => parseDeviceRequest(name),
      UsageError,
      `Cannot use device "${name}": expected auto, gpu or software`,
    );
  }
});

deviceTest(
  "asking for the kind of device that is not there names what to install or use",
  async () => {
    const { kind } = await testDevice();
    const other = kind === "gpu" ? "software" : "gpu";
    const found = await findAdapter(other).catch((error) => error);
    if (!(found instanceof Error)) return assertEquals(found.kind, other); // this machine has both
    assertInstanceOf(found, NoDeviceError);
    const expected = other === "gpu"
      ? /^No GPU was found\. Install your GPU's Vulkan driver \(.*mesa-vulkan-drivers\), or use device: software or auto\.$/
      : /^No .*device was found[\s\S]*Install/;
    assert(expected.test(found.message), found.message);
  },
);

deviceTest("a device says what it is", async () => {
  const device = await testDevice();
  assert(device.name.length > 0);
  assertEquals(
    device.description,
    `${device.name} (${device.kind === "gpu" ? "GPU" : "software device"})`,
  );
});

deviceTest("bytes are written in the largest fitting unit", () => {
  assertEquals([0, 1023, 1536, 2 ** 20, 5 * 2 ** 30].map(formatBytes), [
    "0 bytes",
    "1023 bytes",
    "1.5 KiB",
    "1.0 MiB",
    "5.0 GiB",
  ]);
});

const FILL = `@group(0) @binding(0) var<storage, read_write> out: array<u32>;
@compute @workgroup_size(1) fn main() { out[0] = VALUEu; }`;

deviceTest("a second source of one name is a kernel of its own", async () => {
  const device = await testDevice();
  using _ = device.scope();
  const out = zeros(device, [1], "u32");
  for (const value of [3, 5, 3]) {
    device.run(
      device.kernel("exp", FILL.replace("VALUE", String(value))),
      { out: out.slice },
      {},
      1,
    );
    assertEquals([...await out.integers()], [value]);
  }
  const pieces = (value: number) => [`const VALUE = ${value};\n`, FILL.replace("VALUEu", "VALUE")];
  assertStrictEquals(device.kernel("exp", pieces(7)), device.kernel("exp", pieces(7)));
  assertNotStrictEquals(device.kernel("exp", pieces(7)), device.kernel("exp", pieces(8)));
  // The library's own operation of that name is not the user's.
  assertEquals([...await exp(tensor(device, [0])).data()], [1]);
});

deviceTest("bindings and parameters that a kernel does not have are refused", async () => {
  const device = await testDevice();
  using _ = device.scope();
  const out = zeros(device, [1], "u32");
  const kernel = device.kernel("fill", FILL.replace("VALUE", "1"));
  const bind = { out: out.slice };
  assertThrows(
    () => device.run(kernel, { ...bind, oth: out.slice }, {}, 1),
    Error,
    "Kernel fill: there is no binding oth, only out",
  );
  assertThrows(() => device.run(kernel, {}, {}, 1), Error, "Kernel fill: binding out is missing");
  const counted = device.kernel("counted", shader("out[i] = params.n;"));
  assertThrows(
    () => device.run(counted, bind, { n: 1, m: 2 }, 1),
    Error,
    "Kernel counted: there is no parameter m, only n",
  );
});

deviceTest("scopes that close out of order are told so, and nothing leaks", async () => {
  const device = await testDevice();
  const before = device.pool.usage.live;
  const first = device.scope();
  zeros(device, [100]);
  const second = device.scope();
  zeros(device, [100]);
  const error = assertThrows(() => first[Symbol.dispose](), Error);
  assertStringIncludes(error.message, "closed while 1 opened after it was still open");
  zeros(device, [100]); // into the second, which is still open
  second[Symbol.dispose]();
  assertEquals(device.pool.usage.live, before);
  // Nothing of them is left: what is kept now goes to its holder.
  {
    using _ = device.scope();
    zeros(device, [10]).keep().dispose();
  }
  assertEquals(device.pool.usage.live, before);
});

deviceTest("what a tensor owns itself outlives the scopes around it", async () => {
  const device = await testDevice();
  let own;
  {
    using _outer = device.scope();
    using _inner = device.scope();
    own = tensor(device, [1, 2]).own();
  }
  assertEquals([...await own.data()], [1, 2]);
  own.dispose();
});

deviceTest("a read that fails to submit leaves no staging buffer", async () => {
  using device = await Device.create();
  using _ = device.scope();
  const out = zeros(device, [4], "u32");
  const made: GPUBuffer[] = [];
  const create = device.gpu.createBuffer.bind(device.gpu);
  device.gpu.createBuffer = (descriptor) => {
    const buffer = create(descriptor);
    made.push(buffer);
    return buffer;
  };
  device.gpu.queue.submit = () => {
    throw new Error("cannot submit");
  };
  await assertRejects(() => out.integers(), Error, "cannot submit");
  // A destroyed buffer cannot be mapped.
  assertEquals(made.length, 1);
  await assertRejects(() => made[0].mapAsync(GPUMapMode.READ));
});

deviceTest(
  "subgroups are enabled where the adapter lists them and a kernel uses them",
  async () => {
    const device = await testDevice();
    const using_ = "fn f() -> u32 { return subgroupAdd(1u); }\n" + FILL.replace("VALUE", "1");
    const plain = FILL.replace("VALUE", "1") + "\n// subgroupAdd( is not called";
    const codes: string[] = [];
    const gpu = new Proxy(device.gpu, {
      get: (target, name) =>
        name === "createShaderModule"
          ? ({ code }: { code: string }) => {
            codes.push(code);
            return target.createShaderModule({ code: FILL.replace("VALUE", "1") });
          }
          : typeof target[name as keyof GPUDevice] === "function"
          ? (target[name as keyof GPUDevice] as () => void).bind(target)
          : target[name as keyof GPUDevice],
    });
    for (const [source, lists] of [[using_, true], [using_, false], [plain, true]] as const) {
      compileKernel(gpu, "k", source, {}, lists);
    }
    assertEquals(codes.map((code) => code.startsWith("enable subgroups;\n")), [true, false, false]);
  },
);
