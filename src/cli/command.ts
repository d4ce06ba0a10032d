/** What a command of the program is: from its arguments to its exit code. */

import { say } from "../base/terminal.ts";

/** Runs a command with its arguments. Gives the exit code; throws what `reportError` explains. */
export type RunCommand = (args: readonly string[]) => Promise<number>;

/**
 * A command that shows its help where it is asked for, and otherwise runs.
 *
 * @param help The text of --help.
 * @param parse Reads the arguments. Throws UsageError.
 * @param run Does what they ask for. Gives the exit code.
 */
export function command<A extends { readonly help: boolean }>(
  help: () => string,
  parse: (args: readonly string[]) => A,
  run: (asked: Exclude<A, { readonly help: true }>) => Promise<number>,
): RunCommand {
  return async (args) => {
    const asked = parse(args);
    if (!asked.help) return await run(asked as Exclude<A, { readonly help: true }>);
    say(help().trimEnd());
    return 0;
  };
}
