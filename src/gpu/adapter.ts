/** Which adapter to take, and what to say when there is none. */

import { UsageError } from "../base/errors.ts";
import { hasVulkanDriver, installCommand, prepareEnvironment } from "./driver.ts";
import { NoDeviceError } from "./errors.ts";

/** What a user may ask for. `cuda` and `cpu` of older configs mean gpu and software. */
export type DeviceRequest = "auto" | "gpu" | "software";

/** What was found: a real GPU, or a Vulkan or Direct3D device that runs on the processor. */
export type DeviceKind = "gpu" | "software";

/** Read a device name, synonyms included. */
export function parseDeviceRequest(text: string): DeviceRequest {
  const name = { cuda: "gpu", cpu: "software" }[text] ?? text;
  if (name === "auto" || name === "gpu" || name === "software") return name;
  throw new UsageError(
    `Cannot use device "${text}": expected auto, gpu or software (cuda and cpu are read as gpu and software).`,
  );
}

const SOFTWARE = /llvmpipe|lavapipe|swiftshader|softpipe|basic render|\bwarp\b/i;

function kindOf(adapter: GPUAdapter): DeviceKind {
  const { vendor, architecture, device, description } = adapter.info;
  return SOFTWARE.test(`${vendor} ${architecture} ${device} ${description}`) ? "software" : "gpu";
}

/**
 * The OpenGL adapter that Linux offers without a Vulkan driver: ten times slower, and minutes to
 * compile. Where the environment could be prepared it is not offered at all. Where it could not (no
 * permission), it shows by its unknown subgroup sizes, which wgpu reports as the whole legal range
 * 4 to 128.
 */
function isOpenGl(adapter: GPUAdapter): boolean {
  const info = adapter.info as GPUAdapterInfo & {
    subgroupMinSize?: number;
    subgroupMaxSize?: number;
  };
  return Deno.build.os === "linux" && kindOf(adapter) === "software" &&
    info.subgroupMinSize === 4 && info.subgroupMaxSize === 128;
}

function missing(request: DeviceRequest): NoDeviceError {
  const what = request === "gpu" ? "No GPU was found" : "No WebGPU device was found";
  if (request === "gpu" && hasVulkanDriver() !== false) {
    return new NoDeviceError(
      `${what}. Install your GPU's Vulkan driver (NVIDIA: the proprietary driver; AMD and Intel: ` +
        `mesa-vulkan-drivers), or use device: software or auto.`,
    );
  }
  return new NoDeviceError(
    `${what}: this system has no Vulkan driver. Install one, for example the software device:\n  ` +
      `${installCommand()}\nand run again.`,
  );
}

/** Find an adapter. Throws `NoDeviceError` naming what to install. */
export async function findAdapter(
  request: DeviceRequest,
): Promise<{ adapter: GPUAdapter; kind: DeviceKind }> {
  prepareEnvironment();
  if (typeof navigator === "undefined" || !("gpu" in navigator)) {
    throw new NoDeviceError("This runtime has no WebGPU. Use Deno 2.9 or later.");
  }
  const adapter = await navigator.gpu.requestAdapter(
    request === "software"
      ? { forceFallbackAdapter: true }
      : { powerPreference: "high-performance" },
  );
  if (!adapter || isOpenGl(adapter)) throw missing(request);
  const kind = kindOf(adapter);
  if (request === "gpu" && kind !== "gpu") throw missing(request);
  if (request === "software" && kind !== "software") {
    throw new NoDeviceError(
      `No software device was found (the adapter offered is ${adapter.info.description}). ` +
        `Install one:\n  ${installCommand()}\nor use device: gpu or auto.`,
    );
  }
  return { adapter, kind };
}
