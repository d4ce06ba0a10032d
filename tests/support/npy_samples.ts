/** NPY arrays and zip archives, made byte by byte. */

import { crc32, deflateRawSync } from "node:zlib";

/** An NPY file: `descr` and `shape` as Python writes them, the elements' bytes as they are. */
export function npyFile(
  descr: string,
  shape: string,
  data: ArrayBufferView,
  { fortran = false, version = 1 } = {},
): Uint8Array {
  const text = `{'descr': ${descr}, 'fortran_order': ${
    fortran ? "True" : "False"
  }, 'shape': ${shape}, }\n`;
  const body = new TextEncoder().encode(text);
  const start = version === 1 ? 10 : 12;
  const bytes = new Uint8Array(start + body.length + data.byteLength);
  bytes.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, version, 0]);
  const view = new DataView(bytes.buffer);
  if (version === 1) view.setUint16(8, body.length, true);
  else view.setUint32(8, body.length, true);
  bytes.set(body, start);
  bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), start + body.length);
  return bytes;
}

/** A zip archive of the files given, packed or stored. */
export function zipFile(files: Readonly<Record<string, Uint8Array>>, packed = false): Uint8Array {
  const parts: Uint8Array[] = [];
  const directory: Uint8Array[] = [];
  let offset = 0;
  for (const [name, data] of Object.entries(files)) {
    const label = new TextEncoder().encode(name);
    const body = packed ? new Uint8Array(deflateRawSync(data)) : data;
    const head = new DataView(new ArrayBuffer(46));
    head.setUint16(10, packed ? 8 : 0, true);
    head.setUint32(16, crc32(data), true);
    head.setUint32(20, body.length, true);
    head.setUint32(24, data.length, true);
    head.setUint16(28, label.length, true);
    const local = new Uint8Array(30);
    local.set([0x50, 0x4b, 3, 4]);
    // Version, flags, method, times, CRC, sizes and lengths stand in both, four bytes apart by
    // their starts.
    local.set(new Uint8Array(head.buffer, 6, 24), 4);
    head.setUint32(0, 0x02014b50, true);
    head.setUint32(42, offset, true);
    directory.push(new Uint8Array(head.buffer), label);
    parts.push(local, label, body);
    offset += local.length + label.length + body.length;
  }
  const size = directory.reduce((sum, part) => sum + part.length, 0);
  const end = new DataView(new ArrayBuffer(22));
  end.setUint32(0, 0x06054b50, true);
  end.setUint16(8, Object.keys(files).length, true);
  end.setUint16(10, Object.keys(files).length, true);
  end.setUint32(12, size, true);
  end.setUint32(16, offset, true);
  return concat([...parts, ...directory, new Uint8Array(end.buffer)]);
}

/** All parts as one. */
export function concat(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
