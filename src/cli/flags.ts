/** Reads a command line by a table of flags, which also gives the help. */

import { parseArgs } from "@std/cli/parse-args";
import { UsageError } from "../base/errors.ts";

/** One flag of a table. */
export interface Flag {
  /** What stands after the flag; absent for one that stands alone. */
  readonly value?: string;
  /** What it does, its default in brackets. */
  readonly help: string;
  /** Whether it may be given several times. */
  readonly repeatable?: true;
}

/** Flags by name, without the dashes. */
export type FlagTable = Readonly<Record<string, Flag>>;

/** What a command line gives. All methods throw UsageError for a value that is not as asked. */
export interface GivenFlags {
  /** Arguments that are no flags. */
  readonly rest: readonly string[];
  /** Whether a flag that stands alone is given. */
  has(name: string): boolean;
  /** All values of a flag. */
  all(name: string): readonly string[];
  /** The value of a flag that may be given once. */
  text(name: string): string | undefined;
  /** A finite number. */
  number(name: string, fallback: number): number;
  /** A whole number of `least` or more. */
  whole(name: string, fallback: number, least: number): number;
  /** One of some words. */
  choice<T extends string>(name: string, allowed: readonly T[], fallback: T): T;
}

/** The lines of the help. */
export function flagsHelp(flags: FlagTable): string {
  return Object.entries(flags).map(([name, { value, help }]) =>
    `  ${`--${name}${value ? ` ${value}` : ""}`.padEnd(22)} ${help}`
  ).join("\n");
}

/** The error for a flag's value. */
export function wrongFlag(name: string, expected: string, got: string): UsageError {
  return new UsageError(`--${name}: expected ${expected}, got ${got}`);
}

/**
 * Reads `args`. `-h` is `--help`.
 *
 * @throws {UsageError} A flag is not in the table.
 */
export function readFlags(args: readonly string[], flags: FlagTable): GivenFlags {
  const names = Object.keys(flags);
  // A number below 0 is the value of the flag before it, not a flag.
  const joined = args.flatMap((arg, i) =>
    /^-[\d.]/.test(arg) && /^--[^=]+$/.test(args[i - 1] ?? "")
      ? []
      : /^--[^=]+$/.test(arg) && /^-[\d.]/.test(args[i + 1] ?? "")
      ? [`${arg}=${args[i + 1]}`]
      : [arg]
  );
  const given = parseArgs(joined, {
    boolean: names.filter((name) => flags[name].value === undefined),
    string: ["_", ...names.filter((name) => flags[name].value !== undefined)],
    collect: names.filter((name) => flags[name].value !== undefined),
    alias: { h: "help" },
    unknown: (text: string, key?: string) => {
      if (key === undefined && !text.startsWith("-")) return;
      throw new UsageError(`Unknown flag ${text}; --help lists all flags`);
    },
  }) as unknown as Record<string, string[]> & { _: string[] };
  const text = (name: string): string | undefined => {
    const values = given[name] ?? [];
    if (values.some((value) => value === "")) throw wrongFlag(name, "a value", "nothing");
    if (values.length > 1) throw new UsageError(`--${name} is given twice; keep one`);
    return values[0];
  };
  const number = (name: string, fallback: number): number => {
    const value = text(name);
    if (value === undefined) return fallback;
    if (value.trim() === "" || !Number.isFinite(Number(value))) {
      throw wrongFlag(name, "a number", value);
    }
    return Number(value);
  };
  return {
    rest: given._.map(String),
    has: (name) => Boolean(given[name]),
    all: (name) => given[name] ?? [],
    text,
    number,
    whole: (name, fallback, least) => {
      const value = number(name, fallback);
      if (Number.isSafeInteger(value) && value >= least) return value;
      const expected = least >= 0 ? `a whole number of ${least} or more` : "a whole number";
      throw wrongFlag(name, expected, String(value));
    },
    choice: (name, allowed, fallback) => {
      const value = text(name) ?? fallback;
      const found = allowed.find((each) => each === value);
      if (found === undefined) throw wrongFlag(name, `one of ${allowed.join(", ")}`, value);
      return found;
    },
  };
}
