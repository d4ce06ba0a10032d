/** The two kinds of failure a person meets, and how the command line turns them into exit codes. */

/**
 * Paths and values in messages are shorter; a file or a command line may hold words of megabytes.
 */
const LONGEST_LINE = 2000, KEPT_END = 400, MOST_LINES = 200;

/** A message whose lines, and their number, are for a person to read. */
function bounded(message: string): string {
  if (message.length <= LONGEST_LINE) return message;
  const lines = message.split("\n", MOST_LINES + 1);
  if (lines.length > MOST_LINES) lines[MOST_LINES] = "…";
  return lines.map((line) =>
    line.length <= LONGEST_LINE
      ? line
      : `${line.slice(0, LONGEST_LINE - KEPT_END)} … ${line.slice(-KEPT_END)}`
  ).join("\n");
}

/** What was asked for cannot be done as asked: a wrong flag, key, value or path. Exit code 2. */
export class UsageError extends Error {
  /** The class's name. */
  override name = "UsageError";

  /** An error with this message, what it quotes cut short. */
  constructor(message: string, options?: ErrorOptions) {
    super(bounded(message), options);
  }
}

/**
 * Something outside the program failed or holds bad data: a corrupt file, a full disk, a lost
 * device. Exit code 1. The message says what was wrong, where, and what would be right.
 */
export class DataError extends Error {
  /** The class's name. */
  override name = "DataError";

  /** An error with this message, what it quotes cut short. */
  constructor(message: string, options?: ErrorOptions) {
    super(bounded(message), options);
  }
}
