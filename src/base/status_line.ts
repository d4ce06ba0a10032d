/**
 * A line on standard error that says how far something is: rewritten on a terminal, one now and
 * then elsewhere.
 */

import { harmless, writeTo } from "./terminal.ts";

const REDRAW_MS = 100, LINE_MS = 10_000;

/** What shows it. */
export interface StatusLine {
  /** Shows a line, unless the one before is too new to be replaced. */
  show(line: string): void;
  /** Writes a line of its own. */
  say(text: string): void;
  /** Takes the line away. */
  end(): void;
}

/** A status line that shows nothing before the first `show`. */
export function statusLine(): StatusLine {
  const terminal = Deno.stderr.isTerminal();
  let shown = terminal ? -Infinity : performance.now(), drawn = false;
  const write = (text: string): void => writeTo("stderr", text);
  const clear = (): void => {
    if (drawn) write("\r\x1b[K");
    drawn = false;
  };
  return {
    show(line) {
      const now = performance.now();
      if (now - shown < (terminal ? REDRAW_MS : LINE_MS)) return;
      shown = now;
      clear();
      write(terminal ? harmless(line) : `${harmless(line)}\n`);
      drawn = terminal;
    },
    say(text) {
      clear();
      write(`${harmless(text)}\n`);
    },
    end: clear,
  };
}
