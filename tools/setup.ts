/**
 * Makes sure there is a device for the tests: installs a software Vulkan driver where that is
 * allowed.
 */

import { runMain } from "../src/cli/exit.ts";
import { Device } from "../src/gpu/device.ts";
import { say } from "../src/base/terminal.ts";
import { ensureDriver } from "../src/gpu/driver.ts";

if (import.meta.main) {
  await runMain(async () => {
    await ensureDriver(say);
    using device = await Device.create();
    say(`Device: ${device.description}`);
    return 0;
  });
}
