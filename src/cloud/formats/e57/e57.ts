/**
 * E57: scans of terrestrial laser scanners. All scans of a file become one cloud, each in its
 * place.
 */

import type { PointCloud } from "../../point_cloud.ts";
import { cloudFromColumns, type Column } from "../columns.ts";
import { type E57File, isE57, openE57 } from "./e57_file.ts";
import { type E57Field, readVector } from "./e57_vector.ts";
import { formatError, type FormatReader } from "../reader.ts";
import { child, type XmlElement } from "./xml.ts";

/**
 * Cartesian or spherical coordinates, moved by each scan's pose; intensity, colours, normals and
 * all else under its name, where every scan has it; with several scans, `scan` numbers them. Points
 * a scanner marked as invalid are left out.
 */
export const e57Reader: FormatReader = {
  name: "E57",
  extensions: ["e57"],
  detect: isE57,
  read: readE57,
};

const AXES = ["x", "y", "z"] as const;
const CARTESIAN = ["cartesianX", "cartesianY", "cartesianZ"];
const SPHERICAL = ["sphericalRange", "sphericalAzimuth", "sphericalElevation"];
const INVALID = ["cartesianInvalidState", "sphericalInvalidState"];
const COLORS = ["colorRed", "colorGreen", "colorBlue"];
/** E57's names for what has a name here. */
const NAMES: ReadonlyMap<string, string> = new Map([
  ["colorRed", "red"],
  ["colorGreen", "green"],
  ["colorBlue", "blue"],
  ["nor:normalX", "nx"],
  ["nor:normalY", "ny"],
  ["nor:normalZ", "nz"],
]);

interface Scan {
  readonly count: number;
  /** x, y, z first. */
  readonly columns: readonly Column[];
}

function readE57(bytes: Uint8Array, where: string): PointCloud {
  const file = openE57(bytes, where);
  const scans: Scan[] = [];
  // No record is smaller than a bit; shared data must not unfold into more than there is.
  let left = 8 * bytes.length;
  for (const element of child(file.root, "data3D")?.children ?? []) {
    const points = child(element, "points");
    if (points === undefined) continue;
    const fields = readVector(file, points, left);
    left -= fields[0]?.data.length ?? 0;
    scans.push(toScan(file, element, fields, scans.length));
  }
  return merge(scans, where);
}

function toScan(
  file: E57File,
  element: XmlElement,
  fields: readonly E57Field[],
  index: number,
): Scan {
  const byName = new Map(fields.map((field) => [field.name, field.data]));
  const all = (names: readonly string[]) => {
    const found = names.map((name) => byName.get(name));
    return found.every((data) => data !== undefined) ? found as E57Field["data"][] : undefined;
  };
  const cartesian = all(CARTESIAN);
  const spherical = cartesian === undefined ? all(SPHERICAL) : undefined;
  if (cartesian === undefined && spherical === undefined) {
    throw formatError(
      file.where,
      undefined,
      `scan ${index} has neither ${CARTESIAN.join(", ")} nor ${SPHERICAL.join(", ")}`,
    );
  }
  const invalid = byName.get(INVALID[cartesian === undefined ? 1 : 0]);
  const total = (cartesian ?? spherical!)[0].length;
  const kept: number[] | undefined = invalid && invalid.some((state: number) => state !== 0)
    ? Array.from({ length: total }, (_, i) => i).filter((i) => invalid[i] === 0)
    : undefined;
  const count = kept?.length ?? total;
  const choose = (data: E57Field["data"]): E57Field["data"] => {
    if (kept === undefined) return data;
    const out = new (data.constructor as Float64ArrayConstructor)(count);
    for (let i = 0; i < count; i++) out[i] = data[kept[i]];
    return out;
  };
  const move = poseOf(element);
  const chosen = (cartesian ?? spherical!).map(choose);
  const coords = move === undefined && cartesian !== undefined
    ? chosen
    : place(chosen, spherical !== undefined, move);
  const columns: Column[] = coords.map((data, k) => ({ name: AXES[k], data }));
  const used = new Set([...CARTESIAN, ...SPHERICAL, ...INVALID]);
  for (const field of fields) {
    if (used.has(field.name)) continue;
    const data = choose(field.data);
    const color = COLORS.includes(field.name);
    columns.push({
      name: NAMES.get(field.name) ?? field.name,
      data: color ? scaleColor(data, element, field) : data,
    });
  }
  return { count, columns };
}

/** Colours have whatever range the scan says. */
function scaleColor(data: E57Field["data"], scan: XmlElement, field: E57Field): Float32Array {
  const limits = child(scan, "colorLimits");
  const limit = (end: "Minimum" | "Maximum"): number | undefined => {
    const element = child(limits, field.name + end);
    const value = element === undefined ? NaN : Number(element.text);
    return Number.isFinite(value) ? value : undefined;
  };
  const low = limit("Minimum") ?? field.minimum ?? 0;
  const high = limit("Maximum") ?? field.maximum ?? 255;
  const scale = high > low ? 1 / (high - low) : 0;
  return Float32Array.from(data, (value) => Math.min(1, Math.max(0, (value - low) * scale)));
}

type Move = (point: Float64Array) => void;

/**
 * A scan's pose: a rotation by a unit quaternion, then a translation. Undefined where there is none
 * to do.
 */
function poseOf(scan: XmlElement): Move | undefined {
  const pose = child(scan, "pose");
  if (pose === undefined) return undefined;
  const number = (parent: string, name: string, otherwise: number): number => {
    const text = child(child(pose, parent), name)?.text ?? "";
    return text !== "" && Number.isFinite(Number(text)) ? Number(text) : otherwise;
  };
  // An element without text is 0; a rotation that is not there is none.
  const turned = child(pose, "rotation") !== undefined;
  const [w, x, y, z] = ["w", "x", "y", "z"].map((name, k) =>
    number("rotation", name, !turned && k === 0 ? 1 : 0)
  );
  const [tx, ty, tz] = AXES.map((name) => number("translation", name, 0));
  const norm = w * w + x * x + y * y + z * z;
  const s = norm > 0 ? 2 / norm : 0;
  const rows = [
    [1 - s * (y * y + z * z), s * (x * y - z * w), s * (x * z + y * w), tx],
    [s * (x * y + z * w), 1 - s * (x * x + z * z), s * (y * z - x * w), ty],
    [s * (x * z - y * w), s * (y * z + x * w), 1 - s * (x * x + y * y), tz],
  ];
  return (point) => {
    const [a, b, c] = point;
    rows.forEach((row, k) => point[k] = row[0] * a + row[1] * b + row[2] * c + row[3]);
  };
}

function place(
  [a, b, c]: readonly E57Field["data"][],
  spherical: boolean,
  move: Move | undefined,
): Float64Array[] {
  const out = AXES.map(() => new Float64Array(a.length));
  const point = new Float64Array(3);
  for (let i = 0; i < a.length; i++) {
    if (spherical) {
      const flat = a[i] * Math.cos(c[i]);
      point.set([flat * Math.cos(b[i]), flat * Math.sin(b[i]), a[i] * Math.sin(c[i])]);
    } else {
      point.set([a[i], b[i], c[i]]);
    }
    move?.(point);
    out.forEach((axis, k) => axis[i] = point[k]);
  }
  return out;
}

/** One table of all scans, of the columns that every scan has. */
function merge(scans: readonly Scan[], where: string): PointCloud {
  if (scans.length === 0) {
    return cloudFromColumns(where, AXES.map((name) => ({ name, data: new Float64Array(0) })));
  }
  if (scans.length === 1) return cloudFromColumns(where, scans[0].columns);
  const count = scans.reduce((sum, scan) => sum + scan.count, 0);
  const shared = scans[0].columns.map(({ name }) => name).filter((name) =>
    scans.every(({ columns }) => columns.some((column) => column.name === name))
  );
  const columns = shared.map((name): Column => {
    const parts = scans.map((scan) => scan.columns.find((column) => column.name === name)!.data);
    const same = parts.every((part) => part.constructor === parts[0].constructor);
    const data = same
      ? new (parts[0].constructor as Float64ArrayConstructor)(count)
      : new Float64Array(count);
    let at = 0;
    for (const part of parts) {
      data.set(part, at);
      at += part.length;
    }
    return { name, data };
  });
  const numbers = new Int32Array(count);
  let at = 0;
  scans.forEach((scan, index) => {
    numbers.fill(index, at, at + scan.count);
    at += scan.count;
  });
  columns.push({ name: "scan", data: numbers });
  return cloudFromColumns(where, columns);
}
