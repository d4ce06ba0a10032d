/** E57 files made byte by byte. */

import { crc32c } from "../../src/base/crc32c.ts";
import { concat } from "./npy_samples.ts";

const PAGE = 1024;

/** One scan: the XML beside and inside its points, and its fields' streams, packet by packet. */
export interface E57Scan {
  readonly count: number;
  readonly prototype: string;
  readonly extra?: string;
  readonly packets: readonly (readonly Uint8Array[])[];
}

/** Where a byte of the contents stands in the file. */
function physical(logical: number): number {
  return Math.floor(logical / (PAGE - 4)) * PAGE + logical % (PAGE - 4);
}

/** Contents as pages with checksums. */
export function e57Pages(logical: Uint8Array): Uint8Array {
  const pages = Math.ceil(logical.length / (PAGE - 4));
  const bytes = new Uint8Array(pages * PAGE);
  for (let page = 0; page < pages; page++) {
    const data = bytes.subarray(page * PAGE, page * PAGE + PAGE - 4);
    data.set(logical.subarray(page * (PAGE - 4), (page + 1) * (PAGE - 4)));
    if (page === 0) new DataView(bytes.buffer).setBigUint64(16, BigInt(bytes.length), true);
  }
  const view = new DataView(bytes.buffer);
  for (let page = 0; page < pages; page++) {
    const data = bytes.subarray(page * PAGE, page * PAGE + PAGE - 4);
    view.setUint32((page + 1) * PAGE - 4, crc32c(data), false);
  }
  return bytes;
}

/** The contents of an E57 file of some scans, without pages. */
export function e57Contents(scans: readonly E57Scan[]): Uint8Array {
  const parts: Uint8Array[] = [new Uint8Array(48)];
  let at = 48;
  let xml = '<?xml version="1.0"?><e57Root type="Structure"><data3D type="Vector">';
  for (const { count, prototype, extra = "", packets } of scans) {
    const section = [new Uint8Array(32), ...packets.map(packet)];
    const length = section.reduce((sum, part) => sum + part.length, 0);
    const head = new DataView(section[0].buffer);
    head.setUint8(0, 1);
    head.setBigUint64(8, BigInt(length), true);
    head.setBigUint64(16, BigInt(physical(at + 32)), true);
    xml += `<vectorChild type="Structure">${extra}<points type="CompressedVector" ` +
      `fileOffset="${
        physical(at)
      }" recordCount="${count}"><prototype type="Structure">${prototype}` +
      '</prototype><codecs type="Vector"/></points></vectorChild>';
    parts.push(...section);
    at += length;
  }
  xml += "</data3D></e57Root>";
  const text = new TextEncoder().encode(xml);
  parts.push(text);
  const head = new DataView(parts[0].buffer);
  new Uint8Array(parts[0].buffer).set(new TextEncoder().encode("ASTM-E57"));
  head.setUint32(8, 1, true);
  head.setBigUint64(24, BigInt(physical(at)), true);
  head.setBigUint64(32, BigInt(text.length), true);
  head.setBigUint64(40, BigInt(PAGE), true);
  return concat(parts);
}

function packet(streams: readonly Uint8Array[]): Uint8Array {
  const body = concat(streams);
  const size = Math.ceil((6 + 2 * streams.length + body.length) / 4) * 4;
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  bytes[0] = 1;
  view.setUint16(2, size - 1, true);
  view.setUint16(4, streams.length, true);
  streams.forEach(({ length }, i) => view.setUint16(6 + 2 * i, length, true));
  bytes.set(body, 6 + 2 * streams.length);
  return bytes;
}

/** Values packed into bits, lowest first. */
export function packBits(values: readonly number[], bits: number): Uint8Array {
  const out = new Uint8Array(Math.ceil(values.length * bits / 8));
  values.forEach((value, i) => {
    for (let bit = 0; bit < bits; bit++) {
      const at = i * bits + bit;
      if (Math.floor(value / 2 ** bit) % 2 === 1) out[at >> 3] |= 1 << (at & 7);
    }
  });
  return out;
}

const floats = (...values: number[]): Uint8Array =>
  new Uint8Array(Float32Array.from(values).buffer);

/**
 * Three cartesian points with colour; four scaled ones, one invalid, turned a quarter about z and
 * moved.
 */
export function e57Scans(): E57Scan[] {
  const raw = packBits([0, 500, 1000, 250], 10);
  return [
    {
      count: 3,
      prototype:
        ["X", "Y", "Z"].map((k) => `<cartesian${k} type="Float" precision="single"/>`).join("") +
        ["Red", "Green", "Blue"].map((k) => `<color${k} type="Integer" minimum="0" maximum="255"/>`)
          .join(""),
      packets: [
        [
          floats(1),
          floats(2, 3),
          floats(4, 5, 6),
          Uint8Array.of(255, 0),
          Uint8Array.of(0, 51, 0),
          new Uint8Array(3),
        ],
        [
          floats(7, 8),
          floats(9),
          new Uint8Array(0),
          Uint8Array.of(51),
          new Uint8Array(0),
          new Uint8Array(0),
        ],
      ],
    },
    {
      count: 4,
      extra:
        '<pose type="Structure"><rotation type="Structure"><w type="Float">0.7071067811865476</w>' +
        '<x type="Float"/><y type="Float"/><z type="Float">0.7071067811865476</z></rotation>' +
        '<translation type="Structure"><x type="Float">100</x><y type="Float">-50</y></translation></pose>',
      prototype:
        ["X", "Y", "Z"].map((k) =>
          `<cartesian${k} type="ScaledInteger" minimum="-500" maximum="500" scale="0.01" offset="${
            k === "X" ? 1 : 0
          }"/>`
        ).join("") + '<cartesianInvalidState type="Integer" minimum="0" maximum="2"/>' +
        ["Red", "Green", "Blue"].map((k) => `<color${k} type="Integer" minimum="7" maximum="7"/>`)
          .join("") +
        '<note type="String"/>',
      // The streams go on across packets in the middle of a value.
      packets: [
        [raw.subarray(0, 2), raw, raw.subarray(0, 1), packBits([0, 0, 1, 0], 2), ...none(4)],
        [raw.subarray(2), new Uint8Array(0), raw.subarray(1), ...none(5)],
      ],
    },
  ];
}

function none(count: number): Uint8Array[] {
  return Array.from({ length: count }, () => new Uint8Array(0));
}
