/** LZF decompression, as `binary_compressed` PCD files need it. Format: liblzf's lzf_d.c. */

/** Why and where compressed data are not sound. */
export interface LzfProblem {
  /** Position in the compressed bytes. */
  readonly at: number;
  readonly problem: string;
}

/**
 * No three bytes of LZF stand for more than this many: sizes beyond are false before anything is
 * allocated.
 */
export const LZF_MAX_RATIO = 264 / 3;

/** Fills `out` with what `input` holds. Returns undefined when that is exactly what it takes. */
export function decompressLzf(input: Uint8Array, out: Uint8Array): LzfProblem | undefined {
  let from = 0;
  let to = 0;
  while (from < input.length) {
    const at = from;
    const control = input[from++];
    if (control < 32) {
      const length = control + 1;
      if (from + length > input.length) return { at, problem: "a literal run is cut off" };
      if (to + length > out.length) return { at, problem: "more data than declared" };
      for (let i = 0; i < length; i++) out[to++] = input[from++];
      continue;
    }
    let length = control >> 5;
    if (length === 7) length += input[from++];
    const back = ((control & 31) << 8) + input[from++] + 1;
    length += 2;
    if (from > input.length) return { at, problem: "a back reference is cut off" };
    if (back > to) return { at, problem: "a back reference points before the beginning" };
    if (to + length > out.length) return { at, problem: "more data than declared" };
    for (let i = 0; i < length; i++, to++) out[to] = out[to - back];
  }
  return to === out.length ? undefined : {
    at: from,
    problem: `${to} bytes unpacked, ${out.length} declared`,
  };
}
