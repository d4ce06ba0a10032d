/** Whether there is a device to test on. */

import { NoDeviceError } from "../../src/gpu/errors.ts";
import { testDevice } from "./device.ts";
import { missingPermissions } from "./permissions.ts";

/**
 * Whether tests that need a device are to be ignored: there is none, and this is a plain `deno test`, which may not
 * install one. With -A (`deno task test`) a missing device is a failure.
 */
export const noDevice: boolean = missingPermissions("env", "run") &&
  await testDevice().then(() => false, (error) => {
    if (error instanceof NoDeviceError) return true;
    throw error;
  });
