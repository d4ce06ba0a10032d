/** The devices a test file works on. */

import { Device, type DeviceOptions } from "../../src/gpu/device.ts";
import { NoDeviceError } from "../../src/gpu/errors.ts";
import { missingPermissions } from "./permissions.ts";

const devices = new Map<string, Promise<Device>>();

/**
 * The device of this test file: the fastest there is. Its adapter is asked for once and its kernels
 * are compiled once; test files have modules of their own, so nothing else shares it. Closed after
 * the file's last test.
 * @param options for a device that is made differently; one for each value
 */
export function testDevice(options: DeviceOptions = {}): Promise<Device> {
  const key = JSON.stringify(options);
  let device = devices.get(key);
  if (!device) devices.set(key, device = Device.create(options));
  return device;
}

Deno.test.afterAll(async () => {
  for (const made of await Promise.allSettled(devices.values())) {
    if (made.status === "fulfilled") made.value[Symbol.dispose]();
  }
});

/**
 * Whether tests that need a device are to be ignored: there is none, and this is a plain `deno
 * test`, which may not install one. With -A (`deno task test`) a missing device is a failure.
 */
export const noDevice: boolean = missingPermissions("env", "run") &&
  await testDevice().then(() => false, (error) => {
    if (error instanceof NoDeviceError) return true;
    throw error;
  });

/** A test that needs a device. */
export function deviceTest(name: string, test: () => void | Promise<void>): void {
  Deno.test({ name, ignore: noDevice, fn: test });
}
