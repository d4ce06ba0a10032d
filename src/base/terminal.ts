/**
 * All that people read on a terminal goes through here. What comes from files (names, headers,
 * values) cannot steer the terminal, and an output that is full, closed or gone ends nothing: a run
 * needs no terminal.
 */

/**
 * A character that steers a terminal instead of standing in it; line ends and tabs do not count.
 */
// deno-lint-ignore no-control-regex
const STEERING = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/**
 * Text in which nothing steers a terminal: escape sequences, other control and direction characters
 * become `�`.
 */
export function harmless(text: string): string {
  return text.replace(STEERING, "\ufffd");
}

/** The streams that stopped taking text. */
const gone = new Set<"stdout" | "stderr">();

/**
 * Writes text as it is, whatever becomes of it: for progress lines, whose escapes are this
 * program's own.
 */
export function writeTo(stream: "stdout" | "stderr", text: string): void {
  if (gone.has(stream)) return;
  const bytes = new TextEncoder().encode(text);
  try {
    for (let done = 0; done < bytes.length;) done += Deno[stream].writeSync(bytes.subarray(done));
  } catch {
    gone.add(stream); // a full disk, a closed pipe, a terminal that hung up
  }
}

/** A line on standard output. */
export function say(line: string): void {
  writeTo("stdout", `${harmless(line)}\n`);
}

/** A line on standard error. */
export function warn(line: string): void {
  writeTo("stderr", `${harmless(line)}\n`);
}

/** A value as one line of JSON on standard output, which loads back to the same value. */
export function sayJson(value: unknown): void {
  const escaped = JSON.stringify(value).replace(
    STEERING,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  writeTo("stdout", `${escaped}\n`);
}
