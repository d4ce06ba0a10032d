/** What the device says of a failure, in words that say what to do. */

import type { BufferPool } from "./buffer_pool.ts";
import { DeviceError, formatBytes } from "./errors.ts";

/**
 * The error of a device that ran out of memory or refused a command.
 * @param recent kernels dispatched last, the latest first
 */
export function failureOf(
  error: GPUError,
  { usage: { live, peak }, lastLarge: { bytes, label } }: BufferPool,
  recent: readonly string[],
): DeviceError {
  return error instanceof GPUOutOfMemoryError
    ? new DeviceError(
      `The device is out of memory: ${formatBytes(bytes)} were asked for ${label}, with ` +
        `${formatBytes(live)} in use (most so far ${formatBytes(peak)}). ` +
        `Use a smaller batch_size, smaller scenes, smaller widths or small_mode.`,
    )
    : new DeviceError(
      `The device refused a command: ${error.message.trim()}\n` +
        `Kernels dispatched last: ${recent.join(", ") || "none"}.`,
    );
}
