/** How command-line programs end: a message for a person, and an exit code. */

import { DataError, UsageError } from "../base/errors.ts";
import { keepNohup } from "./hang_up.ts";
import { warn } from "../base/terminal.ts";
import { DeviceError, NoDeviceError } from "../gpu/errors.ts";

/** Exit code of what Ctrl-C ended. */
export const INTERRUPTED = 130;

/**
 * Explain an error on stderr and give the exit code: 2 for wrong usage or config, 1 for everything
 * else.
 */
export function reportError(error: unknown): number {
  if (error instanceof UsageError || error instanceof NoDeviceError) {
    warn(error.message);
    return 2;
  }
  if (error instanceof DataError || error instanceof DeviceError) {
    warn(error.message);
    return 1;
  }
  if (error instanceof Deno.errors.NotCapable) {
    warn(`${error.message}\nREADME.md lists which command needs which permission; -A grants all.`);
    return 2;
  }
  // Not foreseen: a fault of this program. The trace is for its makers.
  warn("This is a fault in dbbd, please report it:");
  warn(error instanceof Error ? error.stack ?? error.message : Deno.inspect(error));
  return 1;
}

/** Run a program's main function and exit with its code. */
export async function runMain(main: () => Promise<number>): Promise<never> {
  let code: number;
  try {
    keepNohup();
    code = await main();
  } catch (error) {
    code = reportError(error);
  }
  Deno.exit(code);
}
