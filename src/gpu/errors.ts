/** What went wrong on the device, in words for the person who runs the program. */

/** The device failed: lost, out of memory, or a command it refused. Exit code 1. */
export class DeviceError extends Error {
  /** The class's name. */
  override name = "DeviceError";
}

/** No usable device: the message names the command that installs what is missing. Exit code 2. */
export class NoDeviceError extends Error {
  /** The class's name. */
  override name = "NoDeviceError";
}

/** Bytes in the largest fitting unit, for messages: 1536 → "1.5 KiB". */
export function formatBytes(bytes: number): string {
  const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
  let k = 0;
  while (bytes >= 1024 && k < units.length - 1) {
    bytes /= 1024;
    k++;
  }
  return `${k === 0 ? bytes : bytes.toFixed(1)} ${units[k]}`;
}
