/** What a format reader is, and the few things all of them share: re-centring and errors. */

import { DataError } from "../../base/errors.ts";
import { roundedNote } from "../../base/rounding.ts";
import type { Extent, PointCloud } from "../point_cloud.ts";

/** What a caller may say about a file that the file itself does not say. */
export interface ReadOptions {
  /**
   * Text tables: the character between columns. Default: found out (spaces, tab, comma or
   * semicolon).
   */
  readonly delimiter?: string;
  /**
   * Text tables and raw binary files: the columns' names in order, e.g.
   * `["x", "y", "z", "intensity"]`; `_` skips a column. Default: the header line's names, or found
   * out from the number of columns.
   */
  readonly columns?: readonly string[];
  /**
   * Files of named arrays (NPZ, pickles): the array of coordinates. Default: that of a usual name,
   * or the only one.
   */
  readonly array?: string;
  /**
   * Arrays of several clouds (clouds, points, columns) in such files: which, from 0. Default: none,
   * and a refusal.
   */
  readonly cloud?: number;
  /** Largest file that is read into memory, in bytes. Default 4 GiB. */
  readonly maxBytes?: number;
}

/** One file format. `registry.ts` holds the list. */
export interface FormatReader {
  /** What people call the format: `PLY`, `LAS/LAZ`. */
  readonly name: string;
  /** Lower-case endings without the dot, e.g. `["ply"]`. */
  readonly extensions: readonly string[];
  /**
   * True when the content carries the format's signature. Asked of every reader before any
   * extension is looked at, so it must be false when in doubt. `head` is the first 4,096 bytes (or
   * all, if fewer), `size` the whole file's length.
   */
  detect(head: Uint8Array, fileName: string, size: number): boolean;
  /**
   * For formats without a signature: true when the content could be of this format. Asked last,
   * when no signature and no extension is known.
   */
  plausible?(head: Uint8Array, fileName: string, size: number): boolean;
  /**
   * Reads the whole file. `where` names it in messages.
   * @throws {DataError} when the bytes are not a whole, sound file of the format: `formatError`.
   */
  read(bytes: Uint8Array, where: string, options: ReadOptions): PointCloud | Promise<PointCloud>;
}

/**
 * Where in a file something is wrong. Lines and columns (bytes of the line) count from 1, bytes of
 * the file from 0.
 */
export type FilePosition = { readonly line: number; readonly column?: number } | {
  readonly byte: number;
};

/** The error for a file that cannot be read: names the file and, where known, the line or byte. */
export function formatError(
  where: string,
  at: FilePosition | undefined,
  message: string,
): DataError {
  const position = at === undefined
    ? ""
    : "line" in at
    ? ` (line ${at.line}${at.column === undefined ? "" : `, column ${at.column}`})`
    : ` (byte ${at.byte})`;
  return new DataError(`Cannot read ${where}${position}: ${message}`);
}

/** Coordinates as a `PointCloud` keeps them. */
export interface RecenteredCoords {
  /** (N, 3) float32, relative to `origin`. */
  readonly coords: Float32Array;
  readonly origin: readonly [number, number, number];
  /** Absent where float32 holds the coordinates exactly, or there are none. */
  readonly extent?: Extent;
  /** Said where float32 rounds some points by more than a millimetre even so. */
  readonly note?: string;
}

/**
 * Half a float32 step at 1,000 m is 0.03 mm; past this much rounding, coordinates are re-centred.
 */
const LARGEST_ROUNDING = 5e-5;
/**
 * The rounding allowed as a share of the extent, so that scans in degrees or of tiny things keep
 * theirs.
 */
const LARGEST_RELATIVE_ROUNDING = 6e-6;
const HALF_STEP = 2 ** -24;
const SAMPLES = 1023;
const MILLIMETRE = 1e-3;

/**
 * Float64 coordinates (N, 3) as float32 around an origin near their middle, so that georeferenced
 * scans keep their millimetres. Where float32 holds them well as they are, the origin is 0, 0, 0.
 * Points that are not finite stay as they are and count for nothing here.
 */
export function recenter(coords: Float64Array): RecenteredCoords {
  const extent = roundedExtent(coords);
  if (extent === undefined || !needsRecentering(extent)) {
    return { coords: Float32Array.from(coords), origin: [0, 0, 0], ...(extent && { extent }) };
  }
  const origin = [middle(coords, 0), middle(coords, 1), middle(coords, 2)] as const;
  const out = new Float32Array(coords.length);
  for (let i = 0; i < coords.length; i += 3) {
    out[i] = coords[i] - origin[0];
    out[i + 1] = coords[i + 1] - origin[1];
    out[i + 2] = coords[i + 2] - origin[2];
  }
  const note = noteOfRounding(coords, out, origin);
  return { coords: out, origin, extent, ...(note !== undefined && { note }) };
}

function noteOfRounding(
  coords: Float64Array,
  out: Float32Array,
  origin: readonly number[],
): string | undefined {
  // What is nearer than this is held to the millimetre.
  const near = MILLIMETRE / HALF_STEP;
  const rounded = new Set<number>();
  let worst = 0;
  for (let i = 0; i < out.length; i++) {
    if (out[i] < near && out[i] > -near) continue;
    const error = Math.abs(out[i] - (coords[i] - origin[i % 3]));
    // A coordinate that is not finite was none before.
    if (!(error > MILLIMETRE)) continue;
    rounded.add(Math.floor(i / 3));
    if (error > worst) worst = error;
  }
  return rounded.size > 0 ? roundedNote([...rounded], worst) : undefined;
}

/**
 * Said where coordinates are float32 in the file and lie so far from 0 that their steps are coarser
 * than 2 mm: nothing that is done here brings back what was lost before.
 */
export function coarseNote(axes: readonly ArrayLike<number>[]): string | undefined {
  for (const [k, axis] of axes.entries()) {
    const stride = Math.max(1, Math.floor(axis.length / SAMPLES));
    const sizes = Array.from(
      { length: Math.ceil(axis.length / stride) },
      (_, i) => Math.abs(axis[i * stride]),
    ).filter((size) => size > 0 && size < Infinity).sort((a, b) => a - b);
    const size = sizes[sizes.length >> 1] ?? 0;
    const step = 2 ** (Math.floor(Math.log2(size)) - 23);
    if (size > 0 && step > 2 * MILLIMETRE) {
      return `the file holds ${"xyz"[k]} near ${
        Number(size.toPrecision(6))
      } as float32, in steps of ${step}: what is finer was lost before`;
    }
  }
}

/** Undefined where float32 holds all coordinates exactly. */
function roundedExtent(coords: Float64Array): Extent | undefined {
  const min: [number, number, number] = [Infinity, Infinity, Infinity];
  const max: [number, number, number] = [-Infinity, -Infinity, -Infinity];
  let exact = true;
  for (let i = 0; i < coords.length; i += 3) {
    for (let k = 0; k < 3; k++) {
      const value = coords[i + k];
      if (!Number.isFinite(value)) continue;
      if (value < min[k]) min[k] = value;
      if (value > max[k]) max[k] = value;
      if (exact && Math.fround(value) !== value) exact = false;
    }
  }
  return exact ? undefined : { min, max, first: [coords[0], coords[1], coords[2]] };
}

function needsRecentering({ min, max }: Extent): boolean {
  return min.some((low, k) => {
    const rounding = Math.max(Math.abs(low), Math.abs(max[k])) * HALF_STEP;
    const extent = max[k] - low;
    return Number.isFinite(rounding) &&
      (rounding > LARGEST_ROUNDING ||
        (rounding > 1e-6 && extent > 0 && rounding > extent * LARGEST_RELATIVE_ROUNDING));
  });
}

/**
 * The median of evenly spread samples: unlike the bounds' middle, a few wild points do not move it.
 */
function middle(coords: Float64Array, axis: number): number {
  const count = coords.length / 3;
  const stride = Math.max(1, Math.floor(count / SAMPLES));
  let values: number[] = [];
  for (let i = 0; i < count; i += stride) {
    const value = coords[3 * i + axis];
    // 0 0 0 stands for no return in many files, and may be most of them.
    const isPlaceholder = coords[3 * i] === 0 && coords[3 * i + 1] === 0 && coords[3 * i + 2] === 0;
    if (Number.isFinite(value) && !isPlaceholder) values.push(value);
  }
  if (values.length === 0) values = Array.from(coords.filter(Number.isFinite)).slice(0, 1);
  if (values.length === 0) return 0;
  values.sort((a, b) => a - b);
  const median = values[values.length >> 1];
  const spread = values[Math.floor(values.length * 0.9)] - values[Math.floor(values.length * 0.1)];
  // Rounded to a power of two well below the spread: exact in any sum, and shorter to read.
  const step = spread > 0 ? 2 ** Math.floor(Math.log2(spread / 8)) : 0;
  return step > 0 && Number.isFinite(step) ? Math.round(median / step) * step : median;
}
