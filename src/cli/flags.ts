/** Reads a command line by a table of flags, which also gives the help. */

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

/** The lines of the help; names and values take `width` characters. */
export function flagsHelp(flags: FlagTable, width = 22): string {
  return Object.entries(flags).map(([name, { value, help }]) =>
    `  ${`--${name}${value ? ` ${value}` : ""}`.padEnd(width)} ${help}`
  ).join("\n");
}

/** The error for a flag's value. */
export function wrongFlag(name: string, expected: string, got: string): UsageError {
  return new UsageError(`--${name}: expected ${expected}, got ${got}`);
}

/** An argument of a command line, with the one after it where that is its value. */
export interface ScannedArgument {
  /** As it stands there. */
  readonly argument: string;
  /** A flag as it was typed, without the dashes; undefined for what is no flag. */
  readonly typed?: string;
  /** The flag's name; undefined for one that there is not. */
  readonly name?: string;
  /** The flag's value, behind a "=" or the next argument. */
  readonly value?: string;
}

/**
 * Goes through a command line. Flags begin with two dashes; `-h` is `--help`.
 *
 * @param find The name of a flag as it was typed.
 * @param takes Whether a flag, undefined for one that there is not, takes the next argument as its
 * value.
 */
export function* scanFlags(
  args: readonly string[],
  find: (typed: string) => string | undefined,
  takes: (name: string | undefined, next: string) => boolean,
): Generator<ScannedArgument, void, void> {
  for (let i = 0; i < args.length; i++) {
    const argument = args[i];
    const match = argument === "-h" ? ["", "help"] : /^--([^=]*)(?:=(.*))?$/s.exec(argument);
    if (match === null) {
      yield { argument };
      continue;
    }
    const [, typed, attached] = match, name = find(typed), next = args[i + 1];
    const takesNext = attached === undefined && next !== undefined && takes(name, next);
    yield { argument, typed, name, value: takesNext ? args[++i] : attached };
  }
}

/** Whether an argument can be a value: no flag, though it may be a negative number. */
export function isValue(argument: string): boolean {
  return !argument.startsWith("-") || /^-\.?\d/.test(argument);
}

/**
 * Reads `args`. What follows `--` is no flag. A flag that stands alone may be followed by true or
 * false.
 *
 * @throws {UsageError} A flag is not in the table.
 */
export function readFlags(args: readonly string[], flags: FlagTable): GivenFlags {
  const end = args.indexOf("--");
  const rest: string[] = [];
  const given = new Map<string, string[]>();
  const scanned = scanFlags(
    end < 0 ? args : args.slice(0, end),
    (typed) => Object.hasOwn(flags, typed) ? typed : undefined,
    (name, next) =>
      name !== undefined && flags[name].value === undefined
        ? /^(true|false)$/.test(next)
        : next !== "" && isValue(next),
  );
  for (const { argument, name, value } of scanned) {
    if (name !== undefined) {
      const alone = flags[name].value === undefined;
      if (alone) given.set(name, value === "false" ? [] : ["true"]);
      else given.set(name, [...given.get(name) ?? [], value ?? ""]);
    } else if (argument.startsWith("-")) {
      throw new UsageError(`Unknown flag ${argument}; --help lists all flags`);
    } else rest.push(argument);
  }
  if (end >= 0) rest.push(...args.slice(end + 1));
  const text = (name: string): string | undefined => {
    const values = given.get(name) ?? [];
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
    rest,
    has: (name) => (given.get(name) ?? []).length > 0,
    all: (name) => given.get(name) ?? [],
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
