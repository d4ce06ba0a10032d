/** Parts of buffers. */

import type { OwnedBuffer } from "./scope.ts";

/** A range of bytes of a buffer, as a binding takes it. */
export interface BufferSlice {
  /** The buffer. */
  readonly buffer: OwnedBuffer;
  /** Bytes from the buffer's start, a multiple of 256. */
  readonly offset: number;
  /** Bytes from `offset` on. */
  readonly size: number;
}

/**
 * The bytes of rows [first, first + count). `first` is a multiple of 64, which keeps the offset
 * aligned.
 */
export function rowsOf(
  slice: BufferSlice,
  first: number,
  count: number,
  rowBytes: number,
): BufferSlice {
  return { buffer: slice.buffer, offset: slice.offset + first * rowBytes, size: count * rowBytes };
}
