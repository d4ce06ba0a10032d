import { assertEquals, assertLess } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { deviceTest } from "../support/device.ts";
import { everyKernel } from "../support/every_kernel.ts";
import { DEFAULT_LIMITS, kernelNeeds } from "../support/kernel_needs.ts";
import { comparison, KERNEL_LIST, kernelList } from "../support/kernel_list.ts";

const SHADERS = fromFileUrl(new URL("../../shaders", import.meta.url));
/** Only the benchmark's; what is put before others; what needs lanes that shuffle values. */
const NOT_RUN = [
  "fma_peak.wgsl",
  "prelude.wgsl",
  "row_weight_gradient_lanes.wgsl",
  "norm_sums.wgsl",
];

/** Names of the shader files of a folder and those below. */
function shaderFiles(folder: string): string[] {
  return [...Deno.readDirSync(folder)].flatMap(({ name, isDirectory }) =>
    isDirectory ? shaderFiles(join(folder, name)) : [join(folder, name)]
  );
}

deviceTest(
  "a device of which no more is asked than WebGPU guarantees runs every kernel",
  async () => {
    const { device, kernels } = await everyKernel();
    using _ = device;
    assertEquals(device.limits.maxStorageBuffersPerShaderStage, DEFAULT_LIMITS.storageBuffers);
    assertEquals(device.limits.maxComputeWorkgroupStorageSize, DEFAULT_LIMITS.workgroupBytes);
    for (const kernel of kernels) {
      const needs = kernelNeeds(kernel);
      for (const [what, most] of Object.entries(DEFAULT_LIMITS)) {
        assertLess(needs[what as keyof typeof needs], most + 1, `${what} of ${kernel.name}`);
      }
    }
    const seen = kernels.map(({ code }) => code).join("\n");
    const unseen = shaderFiles(SHADERS).filter((path) =>
      !NOT_RUN.some((name) => path.endsWith(name)) &&
      !seen.includes(Deno.readTextFileSync(path).split("\n")[0])
    );
    assertEquals(unseen, []);
    // What is generated depends on the kind of device; the list is the software device's.
    if (device.kind !== "software") return;
    const before = Deno.readTextFileSync(KERNEL_LIST);
    assertEquals(comparison(before, await kernelList(kernels)), "");
  },
);
