/** What is asked of an adapter: its own limits, and the optional features that kernels use. */

import type { DeviceKind } from "./adapter.ts";

const SUBGROUPS = "subgroups" as GPUFeatureName;

/**
 * Whether an adapter lists subgroups; then its shader compiler wants to be asked for them (`enable
 * subgroups;`).
 */
export function listsSubgroups(adapter: GPUAdapter): boolean {
  return adapter.features.has(SUBGROUPS);
}

/**
 * A device with all of the adapter's limits, and of timestamp-query and (software) subgroups what
 * it has; with `which` "default" one with what every WebGPU device has.
 */
export async function openDevice(
  adapter: GPUAdapter,
  kind: DeviceKind,
  which: "adapter" | "default" = "adapter",
): Promise<GPUDevice> {
  if (which === "default") return await adapter.requestDevice();
  const { limits } = adapter;
  const listed = (["timestamp-query"] as GPUFeatureName[]).filter((feature) =>
    adapter.features.has(feature)
  );
  const request = (requiredFeatures: GPUFeatureName[]) =>
    adapter.requestDevice({
      requiredFeatures,
      requiredLimits: {
        maxBufferSize: limits.maxBufferSize,
        maxStorageBufferBindingSize: limits.maxStorageBufferBindingSize,
        maxUniformBufferBindingSize: limits.maxUniformBufferBindingSize,
        maxComputeWorkgroupStorageSize: limits.maxComputeWorkgroupStorageSize,
        maxComputeInvocationsPerWorkgroup: limits.maxComputeInvocationsPerWorkgroup,
        maxComputeWorkgroupSizeX: limits.maxComputeWorkgroupSizeX,
        maxComputeWorkgroupSizeY: limits.maxComputeWorkgroupSizeY,
        maxComputeWorkgroupsPerDimension: limits.maxComputeWorkgroupsPerDimension,
        maxStorageBuffersPerShaderStage: limits.maxStorageBuffersPerShaderStage,
      },
    });
  if (kind !== "software") return await request(listed);
  // Deno grants subgroups without listing them: ask, and do without where that is refused.
  return await request([...listed, SUBGROUPS]).catch(() => request(listed));
}

/** See `Device.lanes`. */
export function lanesOf({ features, adapterInfo }: GPUDevice, kind: DeviceKind): 0 | 8 | 16 {
  const info = adapterInfo as (GPUAdapterInfo & { subgroupMinSize?: number }) | undefined;
  const least = kind === "software" && features.has(SUBGROUPS) ? info?.subgroupMinSize ?? 0 : 0;
  return least >= 16 ? 16 : least >= 8 ? 8 : 0;
}
