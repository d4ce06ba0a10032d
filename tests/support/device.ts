/** The devices a test file works on. */

import { Device, type DeviceOptions } from "../../src/gpu/device.ts";

const devices = new Map<string, Promise<Device>>();

/**
 * The device of this test file: the fastest there is. Its adapter is asked for once and its kernels are compiled
 * once; test files have modules of their own, so nothing else shares it. Closed after the file's last test.
 * @param options for a device that is made differently; one for each value
 */
export function testDevice(options: DeviceOptions = {}): Promise<Device> {
  const key = JSON.stringify(options);
  let device = devices.get(key);
  if (!device) devices.set(key, device = Device.create(options));
  return device;
}

Deno.test.afterAll(async () => {
  for (const device of devices.values()) (await device)[Symbol.dispose]();
});
