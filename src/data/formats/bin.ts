/** Raw float32 records without a header, as KITTI, SemanticKITTI, nuScenes and others store their sweeps. */

import type { PointCloud } from "../point_cloud.ts";
import { cloudFromColumns } from "./columns.ts";
import { splitColumns } from "./named_arrays.ts";
import { formatError, type FormatReader, type ReadOptions } from "./reader.ts";

/**
 * Little-endian float32 records. The columns are the `columns` given, else those of the first layout that fits:
 * the number of values divides, and 99 in 100 records have coordinates within 100 km (or none: NaN), an intensity
 * from 0 to 65535, a whole ring number and colours that are whole numbers from 0 to 255.
 *
 * - `x y z red green blue` (ScanNet and S3DIS as MMDetection3D stores them);
 * - `x y z intensity` (KITTI), but where the name ends in `.pcd.bin`, `x y z intensity ring` (nuScenes) is tried first;
 * - `x y z intensity ring`;
 * - `x y z`.
 */
export const binReader: FormatReader = {
  name: "raw float32",
  extensions: ["bin"],
  detect: () => false,
  read: readBin,
};

const KITTI = ["x", "y", "z", "intensity"];
const NUSCENES = ["x", "y", "z", "intensity", "ring"];
const COLORED = ["x", "y", "z", "red", "green", "blue"];
const PLAIN = ["x", "y", "z"];
const SKIPPED = "_";

const FARTHEST = 1e5;
const BRIGHTEST = 65535;
const FULL_COLOR = 255;
const MOST_RINGS = 1024;
/** Below this a float32 is the bits of something else. */
const TINIEST = 1e-20;
const PLAUSIBLE_SHARE = 0.99;
const SAMPLES = 10_000;

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
  return cloudFromColumns(where, table.filter(({ name }) => name !== SKIPPED));
}

function findLayout(values: Float32Array, where: string): readonly string[] {
  const layouts = /\.pcd\.bin$/i.test(where)
    ? [NUSCENES, KITTI, PLAIN]
    : [COLORED, KITTI, NUSCENES, PLAIN];
  const found = layouts.find((names) => values.length % names.length === 0 && fits(values, names));
  if (found !== undefined) return found;
  throw formatError(
    where,
    undefined,
    `${values.length} float32 values are neither x y z red green blue, x y z intensity, x y z intensity ring nor x y z. ` +
      "Name the columns of one record (option columns), e.g. x,y,z,intensity,_,time.",
  );
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
    default:
      return size <= FARTHEST && (size === 0 || size > TINIEST);
  }
}
