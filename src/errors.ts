/** The two kinds of failure a person meets, and how the command line turns them into exit codes. */

/** What was asked for cannot be done as asked: a wrong flag, key, value or path. Exit code 2. */
export class UsageError extends Error {
  /** The class's name. */
  override name = "UsageError";
}

/**
 * Something outside the program failed or holds bad data: a corrupt file, a full disk, a lost device.
 * Exit code 1. The message says what was wrong, where, and what would be right.
 */
export class DataError extends Error {
  /** The class's name. */
  override name = "DataError";
}
