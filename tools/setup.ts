/** Makes sure there is a device for the tests: installs a software Vulkan driver where that is allowed. */

import { runMain } from "../src/exit.ts";
import { Device } from "../src/gpu/device.ts";
import { ensureDriver } from "../src/gpu/driver.ts";

if (import.meta.main) {
  await runMain(async () => {
    await ensureDriver(console.log);
    using device = await Device.create();
    console.log(`Device: ${device.description}`);
    return 0;
  });
}
