/** LAS and LAZ: airborne and terrestrial laser scans, all point formats, extra bytes by name. */

import type { Attribute, PointCloud } from "../../point_cloud.ts";
import { cloudFromColumns, type Column } from "../columns.ts";
import { cString, isLas, type LasHeader, parseLasHeader, POINT_SIZES } from "./las_header.ts";
import { unpackLaz } from "./laz.ts";
import { printable } from "../../../base/printable.ts";
import { formatError, type FormatReader } from "../reader.ts";

/**
 * LAS 1.0 to 1.4 and LAZ. Classification becomes `labels`; intensity, colours, GPS time and returns
 * keep their names, as do extra bytes. Fields that few scanners fill (user data, flags, …) are left
 * out where they are 0 throughout.
 */
export const lasReader: FormatReader = {
  name: "LAS/LAZ",
  extensions: ["las", "laz"],
  detect: isLas,
  read: readLas,
};

const SCAN_ANGLE_STEP = 0.006;

function readLas(bytes: Uint8Array, where: string): PointCloud {
  const header = parseLasHeader(bytes, where);
  const { count, recordLength, dataStart } = header;
  const records = header.compressed
    ? unpackLaz({ bytes, where, vlr: lazRecord(header, where), dataStart, count, recordLength })
    : plainRecords(bytes, where, header);
  const view = new DataView(records.buffer, records.byteOffset, records.byteLength);
  const columns = [
    ...coordinates(view, header),
    ...(header.pointFormat < 6 ? oldFields(view, header) : newFields(view, header)),
    ...commonFields(view, header),
    ...extraFields(view, header),
  ];
  return cloudFromColumns(where, columns);
}

function lazRecord(header: LasHeader, where: string): Uint8Array {
  const record = header.records.find(({ user, id }) => user === "laszip encoded" && id === 22204);
  if (record !== undefined) return record.data;
  throw formatError(
    where,
    { byte: 104 },
    'the points are packed, but the record "laszip encoded" that says how is missing',
  );
}

function plainRecords(bytes: Uint8Array, where: string, header: LasHeader): Uint8Array {
  const { count, recordLength, dataStart } = header;
  const fits = Math.floor((bytes.length - dataStart) / recordLength);
  if (count > fits) {
    throw formatError(
      where,
      { byte: bytes.length },
      `the header declares ${count} points of ${recordLength} bytes from byte ${dataStart} on; the file holds ${fits}`,
    );
  }
  return bytes.subarray(dataStart, dataStart + count * recordLength);
}

type Read = (at: number) => number;

function column(
  name: string,
  { count, recordLength }: LasHeader,
  read: Read,
  integerMax?: number,
): Column {
  const data = new Int32Array(count);
  for (let i = 0, at = 0; i < count; i++, at += recordLength) data[i] = read(at);
  return { name, data, integerMax };
}

function doubles(name: string, { count, recordLength }: LasHeader, read: Read): Column {
  const data = new Float64Array(count);
  for (let i = 0, at = 0; i < count; i++, at += recordLength) data[i] = read(at);
  return { name, data };
}

/** Columns that the file uses: not 0 throughout. */
function used(columns: readonly Column[]): Column[] {
  return columns.filter(({ data }) => (data as Int32Array).some((value) => value !== 0));
}

function coordinates(view: DataView, header: LasHeader): Column[] {
  const { scale, offset } = header;
  return ["x", "y", "z"].map((name, k) =>
    doubles(name, header, (at) => view.getInt32(at + 4 * k, true) * scale[k] + offset[k])
  );
}

/** Point formats 0 to 5. */
function oldFields(view: DataView, header: LasHeader): Column[] {
  const byte = (offset: number) => (at: number) => view.getUint8(at + offset);
  const [returns, classes] = [byte(14), byte(15)];
  return [
    column("intensity", header, (at) => view.getUint16(at + 12, true)),
    column("classification", header, (at) => classes(at) & 31),
    column("return_number", header, (at) => returns(at) & 7),
    column("number_of_returns", header, (at) => (returns(at) >> 3) & 7),
    ...used([
      column("scan_direction_flag", header, (at) => (returns(at) >> 6) & 1),
      column("edge_of_flight_line", header, (at) => returns(at) >> 7),
      column("classification_flags", header, (at) => classes(at) >> 5),
      column("scan_angle", header, (at) => view.getInt8(at + 16)),
      column("user_data", header, byte(17)),
      column("point_source_id", header, (at) => view.getUint16(at + 18, true)),
    ]),
  ];
}

/** Point formats 6 to 10. */
function newFields(view: DataView, header: LasHeader): Column[] {
  const byte = (offset: number) => (at: number) => view.getUint8(at + offset);
  const [returns, flags] = [byte(14), byte(15)];
  return [
    column("intensity", header, (at) => view.getUint16(at + 12, true)),
    column("classification", header, byte(16)),
    column("return_number", header, (at) => returns(at) & 15),
    column("number_of_returns", header, (at) => returns(at) >> 4),
    ...used([
      column("classification_flags", header, (at) => flags(at) & 15),
      column("scanner_channel", header, (at) => (flags(at) >> 4) & 3),
      column("scan_direction_flag", header, (at) => (flags(at) >> 6) & 1),
      column("edge_of_flight_line", header, (at) => flags(at) >> 7),
      column("user_data", header, byte(17)),
      doubles("scan_angle", header, (at) => view.getInt16(at + 18, true) * SCAN_ANGLE_STEP),
      column("point_source_id", header, (at) => view.getUint16(at + 20, true)),
    ]),
  ];
}

/**
 * Where GPS time, colours and near infrared stand in each point format; undefined where they do
 * not.
 */
const GPS_TIME = [, 20, , 20, 20, 20, 22, 22, 22, 22, 22];
const COLORS = [, , 20, 28, , 28, , 30, 30, , 30];
const NEAR_INFRARED = [, , , , , , , , 36, , 36];

function commonFields(view: DataView, header: LasHeader): Column[] {
  const { pointFormat } = header;
  const columns: Column[] = [];
  const time = GPS_TIME[pointFormat];
  if (time !== undefined) {
    columns.push(doubles("gps_time", header, (at) => view.getFloat64(at + time, true)));
  }
  const short = (name: string, offset: number): Column =>
    column(name, header, (at) => view.getUint16(at + offset, true), 65535);
  const color = COLORS[pointFormat];
  if (color !== undefined) {
    ["red", "green", "blue"].forEach((name, k) => columns.push(short(name, color + 2 * k)));
  }
  const infrared = NEAR_INFRARED[pointFormat];
  if (infrared !== undefined) columns.push(short("nir", infrared));
  return columns;
}

/** Size and reader of the data types 1 to 10 of extra bytes. */
const EXTRA_TYPES: readonly (readonly [number, (view: DataView, at: number) => number])[] = [
  [1, (view, at) => view.getUint8(at)],
  [1, (view, at) => view.getInt8(at)],
  [2, (view, at) => view.getUint16(at, true)],
  [2, (view, at) => view.getInt16(at, true)],
  [4, (view, at) => view.getUint32(at, true)],
  [4, (view, at) => view.getInt32(at, true)],
  [8, (view, at) => Number(view.getBigUint64(at, true))],
  [8, (view, at) => Number(view.getBigInt64(at, true))],
  [4, (view, at) => view.getFloat32(at, true)],
  [8, (view, at) => view.getFloat64(at, true)],
];
const EXTRA_RECORD = 192;
const HAS_SCALE = 8, HAS_OFFSET = 16;

/**
 * What the record of extra bytes describes; bytes it does not describe have no name and are left
 * out.
 */
function extraFields(view: DataView, header: LasHeader): Column[] {
  const record = header.records.find(({ user, id }) => user === "LASF_Spec" && id === 4);
  if (record === undefined) return [];
  const { data } = record;
  const fields = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const columns: Column[] = [];
  let offset = POINT_SIZES[header.pointFormat];
  for (let at = 0; at + EXTRA_RECORD <= data.length; at += EXTRA_RECORD) {
    const type = data[at + 2];
    const options = data[at + 3];
    if (type === 0 || type > 30) {
      // Bytes of no type; their number stands where the options do.
      offset += options;
      continue;
    }
    const width = Math.floor((type - 1) / 10) + 1;
    const [size, read] = EXTRA_TYPES[(type - 1) % 10];
    if (offset + width * size > header.recordLength) break;
    const name = printable(cString(data.subarray(at + 4, at + 36))).trim();
    const scales = [0, 1, 2].map((k) =>
      options & HAS_SCALE ? fields.getFloat64(at + 112 + 8 * k, true) : 1
    );
    const offsets = [0, 1, 2].map((k) =>
      options & HAS_OFFSET ? fields.getFloat64(at + 136 + 8 * k, true) : 0
    );
    const from = offset;
    const scaled = (options & (HAS_SCALE | HAS_OFFSET)) !== 0;
    const values = extraArray((type - 1) % 10, scaled, header.count * width);
    for (let i = 0; i < header.count; i++) {
      for (let k = 0; k < width; k++) {
        const raw = read(view, i * header.recordLength + from + k * size);
        values[i * width + k] = raw * scales[k] + offsets[k];
      }
    }
    columns.push({ name: extraName(name, columns.length), width, data: values });
    offset += width * size;
  }
  return columns;
}

function extraArray(type: number, scaled: boolean, length: number): Attribute["data"] {
  if (type === 8 && !scaled) return new Float32Array(length);
  if (scaled || type >= 6) return new Float64Array(length);
  return type === 4 ? new Uint32Array(length) : new Int32Array(length);
}

/** Coordinates have their names already. */
function extraName(name: string, index: number): string {
  if (name === "") return `extra_${index + 1}`;
  return /^[xyz]$/i.test(name) ? `extra_${name}` : name;
}
