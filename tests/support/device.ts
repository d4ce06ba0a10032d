/** The one device a test file works on. */

import { Device } from "../../src/gpu/device.ts";

let shared: Promise<Device> | undefined;

/**
 * The device of this test file: the fastest there is. The adapter is asked for
 * once and kernels are compiled once; test files run in processes of their own, so nothing else shares it.
 */
export function testDevice(): Promise<Device> {
  return shared ??= Device.create();
}
