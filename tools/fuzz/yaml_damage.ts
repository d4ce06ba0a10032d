/** Ways in which a configuration's file goes wrong: slips of the hand, wrong files, malice. */

import type { Random } from "../../src/base/random.ts";

/** Changes a text; what it cannot change it gives back. */
type Change = (text: string, random: Random) => string;

function pick<T>(random: Random, items: readonly T[]): T {
  return items[random.int(items.length)];
}

/** Characters that mean something to YAML, to a terminal or to an encoding. */
const CHARACTERS = [
  ...":{}[]&*!|>'\"%@`#,?-<=~^0\t\r\n \u0000\u0007\u001b\u007f\u009b\u202e\u2028\ufeff",
  ..."é漢\u{1f4a5}",
  ...["\ud800", ": ", "- ", "\n\n", "---\n", "...\n", "\r\n", "#!", "!!", "<<: "],
];

/** Values of every type, most of them wrong for most keys. */
const VALUES = [
  ...["", "~", "null", "true", "false", "yes", "off", "maybe", "nan", ".nan", ".inf", "-.inf"],
  ...["0", "-1", "1", "3", "0.5", "1.0", "1e3", "1e999", "-1e-999", "0x10", "0o17", "0b1", "1_000"],
  ...["9007199254740993", "4294967295", "4294967296", "1" + "0".repeat(400), "007", "12:30:45"],
  ...["[]", "[1, 2", "[1, [2, [3]]]", "[a, b]", "[0.5, -3]", "[null]", "[,]", "{}", "{a: 1}", "{a"],
  ...["'", '"', '"\\u001b[31m"', '"\\0"', "'it''s'", "|", ">-", "!!js/function 'x'", "!!set {a}"],
  ...["!!binary aGVsbG8=", "!!int 3", "!!str 3", "!!float x", "!<tag:x> 1", "2024-01-01", "&a 3"],
  ...["*a", "&a [*a]", "&a {b: *a}", "&a", "[&b 1, *b]", "? x", "{? [a]: 1}", "<<", "%YAML 1.1"],
  ...["../../etc/passwd", "/", "a/b", "..", "synthetic", "scenes", "auto", "gpu", "attention"],
  ...[
    "[normals, height]",
    "[normals, normals]",
    "{rotate: {axis: z}}",
    "{jitter: -1}",
    "{drop: 2}",
  ],
  ...["{data: x, protocol: linear, every: 1}", "{data: 3}", "{every: 0}", "cosine"],
];

const lines = (text: string): string[] => text.split("\n");

const CHANGES: Readonly<Record<string, Change>> = {
  "characters gone"(text, random) {
    const at = random.int(text.length + 1);
    return text.slice(0, at) + text.slice(at + 1 + random.int(8));
  },
  "characters in between"(text, random) {
    const at = random.int(text.length + 1);
    const more = Array.from({ length: 1 + random.int(4) }, () => pick(random, CHARACTERS));
    return text.slice(0, at) + more.join("") + text.slice(at);
  },
  "a line twice"(text, random) {
    const all = lines(text);
    return all.toSpliced(random.int(all.length), 0, pick(random, all)).join("\n");
  },
  "a line gone"(text, random) {
    const all = lines(text);
    return all.toSpliced(random.int(all.length), 1).join("\n");
  },
  "a line elsewhere"(text, random) {
    const all = lines(text);
    const [line] = all.splice(random.int(all.length), 1);
    return all.toSpliced(random.int(all.length + 1), 0, line).join("\n");
  },
  "a line indented"(text, random) {
    const all = lines(text);
    const at = random.int(all.length);
    return all.with(at, pick(random, [" ", "  ", "\t", "- ", "? "]) + all[at]).join("\n");
  },
  "another value"(text, random) {
    const all = lines(text);
    const at = random.int(all.length);
    const key = /^([\w-]+):/.exec(all[at])?.[1] ?? "seed";
    return all.with(at, `${key}: ${pick(random, VALUES)}`).join("\n");
  },
  "another key"(text, random) {
    const key = pick(random, [
      ...["__proto__", "constructor", "toString", "hidden_dims", "learning-rate", "<<", "", "?"],
      ...["1", "null", "[a]", "{a: b}", "*a", "k".repeat(3000), '"\\e]0;x\\a"', "batch_sise"],
    ]);
    return `${text}\n${key}: ${pick(random, VALUES)}\n`;
  },
  "deeply nested"(text, random) {
    const depth = 2 ** (1 + random.int(15));
    const [open, close] = pick(random, [["[", "]"], ["{a: ", "}"], ["- ", ""], ["? ", ""], [
      "{",
      "",
    ]]);
    const closing = random.int(2) * depth;
    return `${text}\nfeatures: ${open.repeat(depth)}${close.repeat(closing)}\n`;
  },
  "nested by lines"(text, random) {
    const deep = Array.from({ length: 1 + random.int(200) }, (_, i) => `${" ".repeat(i)}a:`);
    return `${text}\nprobe:\n ${deep.join("\n ")} 1\n`;
  },
  "references of references"(text, random) {
    const levels = 2 + random.int(12);
    const rows = Array.from(
      { length: levels },
      (_, i) => `x${i}: &x${i} [${Array(9).fill(i === 0 ? "lol" : `*x${i - 1}`).join(", ")}]`,
    );
    return `${text}\n${rows.join("\n")}\nfeatures: *x${levels - 1}\n`;
  },
  "very many keys"(text, random) {
    const count = 2 ** random.int(16);
    return text + Array.from({ length: count }, (_, i) => `\nkey_${i}: ${i % 7}`).join("");
  },
  "very long"(text, random) {
    const what = pick(random, ["x", "x ", "[", '"', "- 1\n", "a: 1\n", "*a ", "\u{1f4a5}"]);
    return `${text}\nrun_name: ${what.repeat(2 ** random.int(20))}\n`;
  },
  "cut off"(text, random) {
    return text.slice(0, random.int(text.length + 1));
  },
  "two texts"(text, random) {
    return `${text}\n${pick(random, ["---", "...", "--- |", "%TAG ! x\n---"])}\n${text}`;
  },
  "other line ends"(text, random) {
    return text.replaceAll("\n", pick(random, ["\r\n", "\r", "\u2028", "\n\n"]));
  },
};

/** Changes of a file's bytes. */
const ENCODINGS: Readonly<Record<string, (bytes: Uint8Array, random: Random) => Uint8Array>> = {
  "bytes that are no UTF-8"(bytes, random) {
    const copy = bytes.slice();
    for (let n = 1 + random.int(3); n > 0 && copy.length > 0; n--) {
      copy[random.int(copy.length)] = 128 + random.int(128);
    }
    return copy;
  },
  "UTF-16"(bytes, random) {
    const wide = new Uint8Array(2 * bytes.length + 2);
    wide.set(random.int(2) ? [0xff, 0xfe] : [0, 0]);
    bytes.forEach((byte, i) => wide[2 * i + 2] = byte);
    return wide;
  },
  "bits flipped"(bytes, random) {
    const copy = bytes.slice();
    for (let n = 1 + random.int(20); n > 0 && copy.length > 0; n--) {
      copy[random.int(copy.length)] ^= 1 << random.int(8);
    }
    return copy;
  },
  "something else altogether"(_, random) {
    return Uint8Array.from({ length: 2 ** random.int(16) }, () => random.int(256));
  },
};

/** A broken configuration. */
export interface BrokenYaml {
  readonly bytes: Uint8Array;
  /** What was done to it, one after the other. */
  readonly what: readonly string[];
}

/** A text with one to four things wrong. Not each of them makes it invalid. */
export function breakYaml(text: string, random: Random): BrokenYaml {
  const what: string[] = [];
  for (let n = 1 + random.int(4); n > 0; n--) {
    const [name, change] = pick(random, Object.entries(CHANGES));
    text = change(text, random);
    what.push(name);
  }
  const bytes = new TextEncoder().encode(text);
  if (random.int(8) > 0) return { bytes, what };
  const [name, change] = pick(random, Object.entries(ENCODINGS));
  return { bytes: change(bytes, random), what: [...what, name] };
}

/** A setting as a command line gives it, right or wrong. */
export function oddValue(random: Random): string {
  return pick(random, VALUES);
}
