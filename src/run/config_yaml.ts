/** The settings a YAML text or a command line makes, each with the place where it stands. */

import {
  type Alias,
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  visit,
} from "yaml";

import { UsageError } from "../base/errors.ts";

/** One setting as somebody wrote it, not yet checked. */
export interface Setting {
  readonly key: string;
  /** As YAML gives it: text, number, boolean, null, list, mapping. */
  readonly value: unknown;
  /** Where to look for it: "FILE:3:14", "--set seed". */
  readonly where: string;
  /** Where its key stands; the same as `where` outside files. */
  readonly keyWhere: string;
  /** For sorting: the position in the file's text; none outside files. */
  readonly at?: number;
  /** Where a part of the value stands; absent outside files. */
  readonly locate?: (path: readonly (string | number)[]) => string;
}

/** Something that is wrong, and where. */
export interface Problem {
  readonly where: string;
  readonly what: string;
  /** For sorting, as in `Setting`. */
  readonly at?: number;
}

/**
 * Far more than any configuration; a wrong file (a checkpoint, a scan) is refused before it is
 * parsed, which of a megabyte of mistakes takes seconds.
 */
const MAX_CHARACTERS = 100_000;
/** Values that a text makes; without references (`*name`) to references no text makes so many. */
const MOST_VALUES = 100_000;

/** Mistakes of syntax that are told: later ones mostly follow from them. */
const MOST_ERRORS = 10;
const TWICE = "this key stands in the file twice; keep one";

/**
 * Reads a flat YAML mapping. An empty text is an empty mapping. Problems of syntax go to
 * `problems`.
 */
export function readSettings(text: string, file: string, problems: Problem[]): Setting[] {
  const source = text.startsWith("\uFEFF") ? text.slice(1) : text;
  const lines = new LineCounter();
  const place = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `${file}:${line}:${col}`;
  };
  const parsed = parse(source, lines, (what) => problems.push({ where: file, what }));
  if (parsed === undefined) return [];
  const { yaml, toPlain } = parsed;
  const errors = yaml.errors.slice(0, MOST_ERRORS);
  for (const { code, message, pos } of [...errors, ...yaml.warnings]) {
    problems.push({ where: place(pos[0]), what: explain(code, message), at: pos[0] });
  }
  const top = yaml.contents;
  if (top === null || isScalar(top) && top.value === null) return [];
  if (!isMap(top)) {
    if (yaml.errors.length > 0) return []; // broken syntax hides what it was to be
    problems.push({
      where: place(top.range?.[0] ?? 0),
      what: `expected a mapping of keys to values ("key: value" lines), found ${
        isScalar(top) ? show(top.value) : "a list"
      }`,
    });
    return [];
  }
  const settings: Setting[] = [];
  const seen = new Set<string>();
  for (const { key, value } of top.items) {
    const at = rangeOf(key)?.[0] ?? 0;
    const keyWhere = place(at);
    if (!isScalar(key) || typeof key.value !== "string") {
      problems.push({
        where: keyWhere,
        what: `expected a key that is plain text, found ${
          isScalar(key) ? show(String(key)) : isMap(key) ? "a mapping" : "a list or a reference"
        }`,
        at,
      });
      continue;
    }
    if (seen.has(key.value)) {
      problems.push({ where: keyWhere, what: TWICE, at });
      continue;
    }
    seen.add(key.value);
    const where = place(rangeOf(value)?.[0] ?? at);
    const locate = (path: readonly (string | number)[]): string => {
      const part = yaml.getIn([key.value, ...path], true);
      return place(rangeOf(part)?.[0] ?? rangeOf(value)?.[0] ?? at);
    };
    try {
      settings.push({ key: key.value, value: toPlain(value), where, keyWhere, at, locate });
    } catch (error) { // an alias of nothing, or aliases of aliases that would fill the memory
      problems.push({ where, what: (error as Error).message, at });
    }
  }
  return settings;
}

/**
 * Reads one value as it stands on a command line.
 *
 * @returns The value, or undefined (with a problem) where it is not YAML.
 */
export function readValue(text: string, where: string, problems: Problem[]): unknown {
  const report = (what: string) => problems.push({ where, what });
  const parsed = parse(text, new LineCounter(), report);
  if (parsed === undefined) return undefined;
  const { yaml, toPlain } = parsed;
  const [trouble] = [...yaml.errors, ...yaml.warnings];
  if (trouble !== undefined) {
    report(`cannot read ${show(text)} as YAML: ${explain(trouble.code, trouble.message)}`);
    return undefined;
  }
  try {
    return toPlain(yaml.contents);
  } catch (error) {
    report(`cannot read ${show(text)} as YAML: ${(error as Error).message}`);
    return undefined;
  }
}

/** A text, and what makes plain values of its nodes. */
interface Parsed {
  readonly yaml: Document.Parsed;
  readonly toPlain: (node: unknown) => unknown;
}

function parse(
  text: string,
  lineCounter: LineCounter,
  report: (what: string) => void,
): Parsed | undefined {
  if (text.length > MAX_CHARACTERS || text.includes("\0")) {
    report("expected a YAML text of settings, found something else (too long or binary)");
    return undefined;
  }
  try {
    // Keys that stand twice are found here: the library compares each with each, minutes for a long
    // file of something else.
    const options = {
      lineCounter,
      prettyErrors: false,
      version: "1.2",
      uniqueKeys: false,
    } as const;
    const yaml = parseDocument(text, options);
    return { yaml, toPlain: plainValues(referencesOf(yaml)) };
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) {
      throw new UsageError(
        "Cannot read YAML without permission to look at two environment variables, which its parser does: " +
          "run with --allow-env=LOG_TOKENS,LOG_STREAM",
      );
    }
    if (!(error instanceof RangeError)) throw error; // the parser recurses
    report("nested too deeply");
    return undefined;
  }
}

/** Deepest nesting of a value. No key's goes past three. */
const DEEPEST = 32;

/**
 * What each reference of a text refers to, found in one pass: the library looks through all of the
 * text for each.
 */
function referencesOf(yaml: Document.Parsed): ReadonlyMap<Alias, Node> {
  const anchors = new Map<string, Node>();
  const found = new Map<Alias, Node>();
  visit(yaml, {
    Value: (_, node) => {
      if (node.anchor) anchors.set(node.anchor, node);
    },
    Alias: (_, alias) => {
      const node = anchors.get(alias.source);
      if (node !== undefined) found.set(alias, node);
    },
  });
  return found;
}

/**
 * Turns nodes of a text into plain values. A value is made of lists and of mappings with plain
 * keys, not too deep, and holds no reference to what it stands in; what is not throws. The library
 * takes minutes for keys that are mappings of mappings and for references behind much else, and
 * does not return from a circle.
 */
function plainValues(references: ReadonlyMap<Alias, Node>): (node: unknown) => unknown {
  let made = 0;
  const plain = (node: unknown, above: readonly unknown[]): unknown => {
    if (above.length > DEEPEST) throw new Error("nested too deeply");
    if (++made > MOST_VALUES) throw new Error("aliases of aliases make too many values of it");
    const inside = [...above, node];
    if (isAlias(node)) {
      const target = references.get(node);
      if (target === undefined) {
        throw new Error(`Unresolved alias: there is no &${node.source} before *${node.source}`);
      }
      if (above.includes(target)) {
        throw new Error(`*${node.source} refers to the value that it stands in`);
      }
      return plain(target, inside);
    }
    if (isSeq(node)) return node.items.map((item) => plain(item, inside));
    if (isScalar(node)) return node.value;
    if (!isMap(node)) return null;
    const seen = new Map<string, unknown>();
    for (const { key, value } of node.items) {
      if (!isScalar(key)) throw new Error("expected keys that are plain text");
      const name = key.value === null ? "" : String(key.value);
      if (seen.has(name)) throw new Error(TWICE);
      seen.set(name, plain(value, inside));
    }
    return Object.fromEntries(seen);
  };
  return (node) => plain(node, []);
}

function rangeOf(node: unknown): readonly number[] | undefined {
  return (node as { range?: readonly number[] | null } | null)?.range ?? undefined;
}

function explain(code: string, message: string): string {
  switch (code) {
    case "MULTIPLE_DOCS":
      return 'expected one YAML document, found a second one after "---"';
    default:
      return `not YAML: ${message}`;
  }
}

/** A value as an error message shows it, cut short. */
export function show(value: unknown): string {
  const text = typeof value === "number" ? String(value) : JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 59)}…` : text;
}
