/** Damage to a file's bytes, as disks, cables and half-done copies make it. */

import type { Random } from "../../src/base/random.ts";

/** A damaged copy. */
export interface Damaged {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** One of few kinds, for counting. */
  readonly kind: string;
  /** Exactly what was done. */
  readonly what: string;
}

type Damage = (bytes: Uint8Array, random: Random) => Damaged;

function joined(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/**
 * Where a safetensors file's header, in which its settings are, ends; a fifth of any other file.
 */
function headerEnd(bytes: Uint8Array): number {
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  return length + 8 < bytes.length ? length + 8 : Math.ceil(bytes.length / 5);
}

/** A place in the file; every third is in its header. */
function place(bytes: Uint8Array, random: Random): number {
  return random.int(random.int(3) === 0 ? headerEnd(bytes) : bytes.length);
}

/** A place, and a length of mostly few bytes. */
function range(bytes: Uint8Array, random: Random): [at: number, length: number] {
  const at = place(bytes, random);
  return [at, Math.min(bytes.length - at, 1 + random.int(2 ** (1 + random.int(13))))];
}

const flip: Damage = (bytes, random) => {
  const at = place(bytes, random), bit = random.int(8);
  const copy = Uint8Array.from(bytes);
  copy[at] ^= 1 << bit;
  return { bytes: copy, kind: "bit flipped", what: `bit ${bit} of byte ${at} flipped` };
};

const cut: Damage = (bytes, random) => {
  const length = random.int(4) === 0
    ? Math.max(0, bytes.length - 1 - random.int(64))
    : place(bytes, random);
  return {
    bytes: Uint8Array.from(bytes.subarray(0, length)),
    kind: "cut",
    what: `cut to ${length}`,
  };
};

const overwrite: Damage = (bytes, random) => {
  const [at, length] = range(bytes, random);
  const copy = Uint8Array.from(bytes);
  const fill = random.int(4);
  for (let i = at; i < at + length; i++) {
    copy[i] = fill === 0 ? 0 : fill === 1 ? 255 : random.int(256);
  }
  return { bytes: copy, kind: "overwritten", what: `${length} bytes from ${at} overwritten` };
};

const remove: Damage = (bytes, random) => {
  const [at, length] = range(bytes, random);
  return {
    bytes: joined(bytes.subarray(0, at), bytes.subarray(at + length)),
    kind: "bytes lost",
    what: `${length} bytes from ${at} lost`,
  };
};

const repeat: Damage = (bytes, random) => {
  const [at, length] = range(bytes, random);
  return {
    bytes: joined(bytes.subarray(0, at + length), bytes.subarray(at)),
    kind: "bytes added",
    what: `${length} bytes from ${at} there twice`,
  };
};

const append: Damage = (bytes, random) => {
  const more = Uint8Array.from({ length: 1 + random.int(100) }, () => random.int(3) && 32);
  return { bytes: joined(bytes, more), kind: "bytes added", what: `${more.length} bytes behind` };
};

const exchange: Damage = (bytes, random) => {
  const [a, most] = range(bytes, random);
  const b = random.int(bytes.length);
  const length = Math.min(most, bytes.length - b, Math.abs(a - b));
  const copy = Uint8Array.from(bytes);
  copy.set(bytes.subarray(a, a + length), b);
  copy.set(bytes.subarray(b, b + length), a);
  return { bytes: copy, kind: "exchanged", what: `${length} bytes of ${a} and ${b} exchanged` };
};

/** Half of all are single flips, the hardest to notice. */
const KINDS: readonly Damage[] = [
  ...[flip, flip, flip, flip, flip, flip],
  ...[cut, overwrite, remove, repeat, append, exchange],
];

function same(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

/** A copy that differs from `bytes`. */
export function damage(bytes: Uint8Array, random: Random): Damaged {
  for (;;) {
    const damaged = KINDS[random.int(KINDS.length)](bytes, random);
    if (!same(damaged.bytes, bytes)) return damaged;
  }
}
