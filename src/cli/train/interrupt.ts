/** Wishes to stop: Ctrl-C, SIGTERM, a terminal that is closed. */

import { INTERRUPTED } from "../exit.ts";
import { startedByNohup } from "../hang_up.ts";

export { INTERRUPTED };

/** Milliseconds in which several signals are one wish. */
const TOGETHER_MS = 200;

/**
 * An abort signal that Ctrl-C (and SIGTERM, and a terminal that is closed) sets off. A second
 * Ctrl-C ends the process at once.
 */
export function interruptSignal(
  onInterrupt: () => void,
): Disposable & { readonly signal: AbortSignal } {
  const abort = new AbortController();
  let asked = 0;
  const interrupt = () => {
    // A terminal that closes sends SIGHUP, and often SIGTERM after it: only a second wish some time
    // later is impatience.
    if (abort.signal.aborted && performance.now() - asked < TOGETHER_MS) return;
    if (abort.signal.aborted) Deno.exit(INTERRUPTED);
    asked = performance.now();
    abort.abort();
    onInterrupt();
  };
  const signals: Deno.Signal[] = Deno.build.os === "windows"
    ? ["SIGINT"]
    : ["SIGINT", "SIGTERM", ...(startedByNohup() ? [] : ["SIGHUP" as const])];
  for (const signal of signals) Deno.addSignalListener(signal, interrupt);
  return {
    signal: abort.signal,
    [Symbol.dispose]() {
      for (const signal of signals) Deno.removeSignalListener(signal, interrupt);
    },
  };
}
