/** What a device is asked for. */

import type { DeviceRequest } from "./adapter.ts";

/** What `Device.create` may be told. */
export interface DeviceOptions {
  /** Default auto: the fastest adapter there is. */
  readonly request?: DeviceRequest;
  /**
   * 0 to 3; default from the environment variable DBBD_DEBUG. 1 choices, 2 dispatches, 3 NaN
   * checks.
   */
  readonly debug?: number;
  /** Largest binding in bytes, to test windows with; default the adapter's own limit. */
  readonly maxBindingBytes?: number;
  /**
   * Whether to ask for all that the adapter has (default), or for no more than WebGPU guarantees
   * everywhere: 8 storage buffers, 16 KiB of workgroup memory and 256 invocations in a kernel, 128
   * MiB a binding, no optional features.
   */
  readonly limits?: "adapter" | "default";
}

/** What DBBD_DEBUG says, where it may be read. */
export function debugLevel(): number {
  if (Deno.permissions.querySync({ name: "env", variable: "DBBD_DEBUG" }).state !== "granted") {
    return 0;
  }
  return Number(Deno.env.get("DBBD_DEBUG") ?? 0) || 0;
}
