/** The one device a test file works on. */

import { Device } from "../../src/gpu/device.ts";
import { NoDeviceError } from "../../src/gpu/errors.ts";
import { missingPermissions } from "./permissions.ts";

let shared: Promise<Device> | undefined;

/**
 * The device of this test file: the fastest there is. The adapter is asked for
 * once and kernels are compiled once; test files run in processes of their own, so nothing else shares it.
 */
export function testDevice(): Promise<Device> {
  return shared ??= Device.create();
}

/**
 * Whether tests that need a device are to be ignored: there is none, and this is a plain `deno test`, which may not
 * install one. With -A (`deno task test`) a missing device is a failure.
 */
export const noDevice: boolean = missingPermissions("env", "run") &&
  await testDevice().then(() => false, (error) => {
    if (error instanceof NoDeviceError) return true;
    throw error;
  });
