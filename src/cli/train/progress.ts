/**
 * How far training is: one line that is rewritten on a terminal, plain lines in a file or a pipe.
 */

import { harmless, writeTo } from "../../base/terminal.ts";

/** Where progress is shown. */
export interface ProgressOutput {
  /** Whether a line can be rewritten. */
  readonly isTerminal: boolean;
  /** The terminal's width in characters, asked anew for each line. */
  columns(): number;
  /** Writes text as it is. */
  write(text: string): void;
}

/** Options of `Progress`. */
export interface ProgressOptions {
  /** Epochs of the whole run. */
  readonly epochs: number;
  /** Steps of the whole run. */
  readonly steps: number;
  /**
   * Steps that were done before this process, in a run that goes on; default 0. They don't count
   * for the pace.
   */
  readonly stepsBefore?: number;
  /** Off a terminal: steps from one line to the next. */
  readonly logInterval: number;
  /** Default: standard output. */
  readonly output?: ProgressOutput;
  /** Default: on a terminal, unless the environment sets NO_COLOR. */
  readonly color?: boolean;
  /** Milliseconds from any start; default `performance.now`. */
  readonly now?: () => number;
}

/** The state after a step. */
export interface ProgressState {
  /** The epoch it belongs to, from 1. */
  readonly epoch: number;
  /** Steps done in the whole run. */
  readonly step: number;
  /** The latest loss that has arrived from the device; absent before the first. */
  readonly loss?: number;
  /** Absent before it is known. */
  readonly pointsPerSecond?: number;
}

/** A terminal line is drawn anew at most this often. */
const REDRAW_MS = 100;

/** Shows the progress of a run. */
export class Progress {
  readonly #options: Required<ProgressOptions>;
  readonly #start: number;
  #drawnAt = -Infinity;
  /** Characters of the line that the cursor stands on; 0: it stands on an empty one. */
  #drawn = 0;
  #latest: ProgressState | undefined;

  /** Starts the clock. Shows nothing yet. */
  constructor(options: ProgressOptions) {
    const output = options.output ?? standardOutput();
    this.#options = {
      stepsBefore: 0,
      color: output.isTerminal && !Deno.noColor,
      now: () => performance.now(),
      ...options,
      output,
    };
    this.#start = this.#options.now();
  }

  /** To be called after every step; decides by itself whether to show it. */
  step(state: ProgressState): void {
    const { output, now, steps, logInterval } = this.#options;
    const last = state.step >= steps;
    this.#latest = state;
    if (output.isTerminal) {
      if (last || now() - this.#drawnAt >= REDRAW_MS) this.#draw(state);
    } else if (last || state.step % logInterval === 0) {
      output.write(this.#parts(state).map(([text]) => text).join("  ") + "\n");
    }
  }

  /** Prints a line that stays, above the progress line. */
  message(text: string): void {
    const { output } = this.#options;
    const erase = this.#drawn > 0 ? `\r${" ".repeat(this.#drawn)}\r` : "";
    output.write(`${erase}${harmless(text)}\n`);
    const wasDrawn = this.#drawn > 0;
    this.#drawn = 0;
    if (wasDrawn && this.#latest !== undefined) this.#draw(this.#latest);
  }

  /** Leaves the progress line as it last was and goes to the next line. */
  finish(): void {
    if (this.#drawn === 0) return;
    this.#draw(this.#latest!);
    this.#options.output.write("\n");
    this.#drawn = 0;
    this.#latest = undefined;
  }

  #draw(state: ProgressState): void {
    const { output, color, now } = this.#options;
    // One column stays free: a full line would make some terminals wrap.
    let room = Math.max(output.columns() - 1, 0);
    let line = "";
    let length = 0;
    for (const [index, [text, style]] of this.#parts(state).entries()) {
      const shown = ((index > 0 ? "  " : "") + text).slice(0, room);
      room -= shown.length;
      length += shown.length;
      line += color && style !== undefined && shown !== ""
        ? `\x1b[${style}m${shown}\x1b[0m`
        : shown;
    }
    const rest = Math.min(this.#drawn - length, room); // what an earlier, longer line left standing
    output.write(`\r${line}${" ".repeat(Math.max(rest, 0))}`);
    this.#drawn = length;
    this.#drawnAt = now();
  }

  /** The line's parts with their ANSI styles (1 bold, 2 dim). */
  #parts({ epoch, step, loss, pointsPerSecond }: ProgressState): [text: string, style?: number][] {
    const { epochs, steps, stepsBefore, now } = this.#options;
    const parts: [string, number?][] = [[`epoch ${epoch}/${epochs}`], [`step ${step}/${steps}`]];
    if (loss !== undefined) parts.push([`loss ${loss.toFixed(4)}`, 1]);
    if (pointsPerSecond !== undefined) parts.push([`${amount(pointsPerSecond)} points/s`, 2]);
    const done = step - stepsBefore;
    const seconds = (now() - this.#start) / 1000;
    if (done > 0) parts.push([`${duration(seconds / done * (steps - step))} left`, 2]);
    return parts;
  }
}

/** The terminal's width; 80 where there is none, where it does not say, or where it has gone. */
function terminalColumns(): number {
  try {
    return Deno.stdout.isTerminal() && Deno.consoleSize().columns || 80;
  } catch {
    return 80;
  }
}

/**
 * Standard output. If it goes away (`| head`, a closed terminal, a full disk), training goes on
 * unseen.
 */
export function standardOutput(): ProgressOutput {
  return {
    isTerminal: Deno.stdout.isTerminal(),
    columns: terminalColumns,
    write: (text) => writeTo("stdout", text),
  };
}

/** 950, 12.3k, 1.25M. */
function amount(value: number): string {
  if (!(value >= 1000)) return value.toFixed(0);
  return value >= 1e6 ? `${(value / 1e6).toFixed(2)}M` : `${(value / 1e3).toFixed(1)}k`;
}

/** 0:07, 12:30, 3:05:00. */
function duration(seconds: number): string {
  const whole = Math.max(Math.round(seconds), 0);
  const two = (value: number): string => String(value).padStart(2, "0");
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes}:${two(whole % 60)}`;
  return `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(whole % 60)}`;
}
