/**
 * Raw float32 records without a header, as KITTI, SemanticKITTI, nuScenes and others store their
 * sweeps.
 */

import type { PointCloud } from "../point_cloud.ts";
import { cloudFromColumns } from "./columns.ts";
import { splitColumns } from "./numpy/named_arrays.ts";
import { areUnitVectors, likelyStrides, sampled, scoreStrides } from "./record_stride.ts";
import { guessNote } from "./text/text_layout.ts";
import { formatError, type FormatReader, type ReadOptions } from "./reader.ts";

/**
 * Little-endian float32 records. The columns are the `columns` given. Else their number, 3 to 10,
 * is that which divides the values, puts coordinates within 100 km, and sorts the values best
 * (`record_stride.ts`); where several do, the file is refused with a question. What the columns are
 * is then said as a guess (a note of the cloud):
 *
 * - `x y z` and of four columns `intensity`, where none is negative (KITTI);
 * - of five columns `intensity` and a whole `ring` (nuScenes; names ending in `.pcd.bin` are taken
 *   for that first);
 * - of more columns unit vectors as normals, three whole numbers of 0 to 255 as colours (ScanNet,
 *   S3DIS);
 * - all others `column_4`, …: kept, but not named.
 */
export const binReader: FormatReader = {
  name: "raw float32",
  extensions: ["bin"],
  detect: () => false,
  read: readBin,
};

const KITTI = ["x", "y", "z", "intensity"];
const NUSCENES = ["x", "y", "z", "intensity", "ring"];
const COLORS = ["red", "green", "blue"], NORMALS = ["nx", "ny", "nz"];
const PLAIN = ["x", "y", "z"];
const STRIDES = [3, 4, 5, 6, 7, 8, 9, 10];
const SKIPPED = "_";

const FARTHEST = 1e5;
const BRIGHTEST = 65535;
const FULL_COLOR = 255;
const MOST_RINGS = 1024;
/** Below this a float32 is the bits of something else. */
const TINIEST = 1e-20;
const PLAUSIBLE_SHARE = 0.99;
const SAMPLES = 2000;

function readBin(bytes: Uint8Array, where: string, { columns }: ReadOptions): PointCloud {
  if (bytes.length % 4 !== 0) {
    throw formatError(
      where,
      { byte: bytes.length - bytes.length % 4 },
      `${bytes.length} bytes are no whole number of float32 values (4 bytes each).`,
    );
  }
  const values = new Float32Array(bytes.length / 4);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let i = 0; i < values.length; i++) values[i] = view.getFloat32(4 * i, true);
  const names = columns ?? findLayout(values, where);
  if (names.length === 0 || values.length % names.length !== 0) {
    throw formatError(
      where,
      { byte: bytes.length },
      `${values.length} values are no whole number of records of ${names.length} (${
        names.join(", ").slice(0, 200)
      }).`,
    );
  }
  const table = splitColumns(values, names);
  // Of raw values even the number of columns is a guess.
  const isGuess = columns === undefined && names !== NUSCENES;
  const notes = isGuess ? [guessNote(names)] : [];
  return cloudFromColumns(where, table.filter(({ name }) => name !== SKIPPED), { notes });
}

function findLayout(values: Float32Array, where: string): readonly string[] {
  if (/\.pcd\.bin$/i.test(where) && values.length % 5 === 0 && fits(values, NUSCENES)) {
    return NUSCENES;
  }
  const ask =
    "Name the columns of one record: --columns (option columns), e.g. x,y,z,intensity,_,time.";
  const dividing = STRIDES.filter((stride) => values.length % stride === 0);
  const fitting = dividing.filter((stride) => fits(values, named(stride)));
  if (fitting.length === 0) {
    throw formatError(
      where,
      undefined,
      `${values.length} float32 values are no records of 3 to 10 with x, y and z first. ${ask}`,
    );
  }
  const sample = sampled(values);
  const likely = likelyStrides(scoreStrides(sample, fitting), sample.length);
  if (likely.length === 1) return namesOf(values, likely[0]);
  const layouts = likely.sort((a, b) => a - b).map((stride) =>
    `${values.length / stride} points of ${stride} values (${namesOf(values, stride).join(",")})`
  );
  throw formatError(
    where,
    undefined,
    `${values.length} float32 values may be ${layouts.slice(0, -1).join(", ")} or ${
      layouts.at(-1)
    }. ${ask}`,
  );
}

/** x, y, z, then columns without a name. */
function named(stride: number): string[] {
  return Array.from({ length: stride }, (_, k) => PLAIN[k] ?? `column_${k + 1}`);
}

/** What the columns of records of `stride` values are taken for. */
function namesOf(values: Float32Array, stride: number): readonly string[] {
  if (stride === 4 && fits(values, KITTI)) return KITTI;
  if (stride === 5 && fits(values, NUSCENES)) return NUSCENES.slice();
  const names = named(stride);
  const sample = sampled(values);
  for (let k = 3; k + 3 <= stride;) {
    const colors = [...names.slice(0, k), ...COLORS, ...names.slice(k + 3)];
    const found = areUnitVectors(sample, stride, k) && !names.includes("nx")
      ? NORMALS
      : !names.includes("red") && fits(values, colors)
      ? COLORS
      : undefined;
    if (found !== undefined) names.splice(k, 3, ...found);
    k += found === undefined ? 1 : 3;
  }
  return names;
}

function fits(values: Float32Array, names: readonly string[]): boolean {
  const rows = values.length / names.length;
  const step = Math.max(1, Math.floor(rows / SAMPLES));
  let good = 0;
  let seen = 0;
  for (let row = 0; row < rows; row += step) {
    const at = row * names.length;
    // Cells of a scan without a return say nothing.
    if (values.subarray(at, at + 3).every(Number.isNaN)) continue;
    seen++;
    if (names.every((name, k) => plausible(name, values[at + k]))) good++;
  }
  return seen > 0 && good >= PLAUSIBLE_SHARE * seen;
}

function plausible(name: string, value: number): boolean {
  const size = Math.abs(value);
  switch (name) {
    case "intensity":
      return value >= 0 && value <= BRIGHTEST && (size === 0 || size > TINIEST);
    case "ring":
      return Number.isInteger(value) && value >= 0 && value <= MOST_RINGS;
    case "red":
    case "green":
    case "blue":
      return Number.isInteger(value) && value >= 0 && value <= FULL_COLOR;
    case "x":
    case "y":
    case "z":
      return size <= FARTHEST && (size === 0 || size > TINIEST);
    default:
      return !(size > 0 && size <= TINIEST);
  }
}
