/**
 * Small files of every point cloud format, made here byte by byte, for the readers' tests and the
 * fuzzing tool.
 */

/** One sample file. */
export interface FormatSample {
  /** Which kind of which format, e.g. `PLY ascii`. */
  readonly kind: string;
  readonly fileName: string;
  readonly bytes: Uint8Array;
  /** How many points it holds. */
  readonly points: number;
}

/** Every sample of the text and mesh formats, and of PCD. */
export function textAndMeshSamples(): FormatSample[] {
  return [
    { kind: "PLY ascii", fileName: "a.ply", bytes: plySample("ascii"), points: 5 },
    {
      kind: "PLY little endian",
      fileName: "a.ply",
      bytes: plySample("binary_little_endian"),
      points: 5,
    },
    { kind: "PLY big endian", fileName: "a.ply", bytes: plySample("binary_big_endian"), points: 5 },
    { kind: "PCD ascii", fileName: "a.pcd", bytes: pcdSample("ascii"), points: 5 },
    { kind: "PCD binary", fileName: "a.pcd", bytes: pcdSample("binary"), points: 5 },
    { kind: "PCD compressed", fileName: "a.pcd", bytes: pcdSample("binary_compressed"), points: 5 },
    { kind: "OFF", fileName: "a.off", bytes: textBytes(OFF), points: 4 },
    { kind: "COFF", fileName: "a.off", bytes: textBytes(COFF), points: 4 },
    { kind: "OBJ", fileName: "a.obj", bytes: textBytes(OBJ), points: 4 },
    { kind: "STL ascii", fileName: "a.stl", bytes: textBytes(STL), points: 6 },
    { kind: "STL binary", fileName: "a.stl", bytes: stlBinarySample(), points: 6 },
    { kind: "XYZ", fileName: "a.xyz", bytes: textBytes(XYZ), points: 4 },
    { kind: "CSV", fileName: "a.csv", bytes: textBytes(CSV), points: 3 },
    { kind: "PTS", fileName: "a.pts", bytes: textBytes(PTS), points: 3 },
    { kind: "PTX", fileName: "a.ptx", bytes: textBytes(PTX), points: 3 },
  ];
}

/** UTF-8 bytes. */
export function textBytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** Bytes one after the other. */
export function joinBytes(...parts: Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** How a value is stored, named as typed arrays are: `u1 i1 u2 i2 u4 i4 f4 f8`. */
export type BinaryType = "u1" | "i1" | "u2" | "i2" | "u4" | "i4" | "f4" | "f8";

/** Values as bytes. */
export function pack(
  values: readonly (readonly [BinaryType, number])[],
  littleEndian = true,
): Uint8Array {
  const out = new Uint8Array(values.reduce((sum, [type]) => sum + Number(type[1]), 0));
  const view = new DataView(out.buffer);
  let at = 0;
  for (const [type, value] of values) {
    if (type === "u1") view.setUint8(at, value);
    else if (type === "i1") view.setInt8(at, value);
    else if (type === "u2") view.setUint16(at, value, littleEndian);
    else if (type === "i2") view.setInt16(at, value, littleEndian);
    else if (type === "u4") view.setUint32(at, value, littleEndian);
    else if (type === "i4") view.setInt32(at, value, littleEndian);
    else if (type === "f4") view.setFloat32(at, value, littleEndian);
    else view.setFloat64(at, value, littleEndian);
    at += Number(type[1]);
  }
  return out;
}

/** Point i of the PLY and PCD samples: coordinates, normal, colour of 8 bits, label. */
export function samplePoint(i: number): {
  xyz: [number, number, number];
  normal: [number, number, number];
  rgb: [number, number, number];
  label: number;
} {
  return {
    xyz: [i + 0.25, -i, i * i + 0.5],
    normal: [0, i % 2, (i + 1) % 2],
    rgb: [10 * i, 255 - i, 7],
    label: i % 3,
  };
}

/**
 * Five points with doubles, normals, colours, a list and a label each, between an element with a
 * list before them and two faces (a triangle and a square) and an element of one number after them.
 */
export function plySample(
  format: "ascii" | "binary_little_endian" | "binary_big_endian",
): Uint8Array {
  const header = textBytes(
    `ply\r\nformat ${format} 1.0\r\ncomment made by a test\r\nobj_info none\r\nelement group 2
property list uchar short members
property float32 weight
element vertex 5
property double x
property double y
property double z
property float nx
property float ny
property float nz
property uchar red
property uint8 green
property uchar blue
property list uchar ushort views
property int label
element face 2
property uchar flag
property list uint8 int32 vertex_indices
element range 1
property double far
end_header
`,
  );
  const rows: (readonly [BinaryType, number])[][] = [
    [["u1", 2], ["i2", -3], ["i2", 4], ["f4", 0.5]],
    [["u1", 0], ["f4", 1.5]],
    ...Array.from({ length: 5 }, (_, i): (readonly [BinaryType, number])[] => {
      const { xyz, normal, rgb, label } = samplePoint(i);
      return [
        ...xyz.map((value) => ["f8", value] as const),
        ...normal.map((value) => ["f4", value] as const),
        ...rgb.map((value) => ["u1", value] as const),
        ["u1", i % 2],
        ...(i % 2 === 1 ? [["u2", 1000 + i] as const] : []),
        ["i4", label],
      ];
    }),
    [["u1", 1], ["u1", 3], ["i4", 0], ["i4", 1], ["i4", 2]],
    [["u1", 0], ["u1", 4], ["i4", 0], ["i4", 2], ["i4", 3], ["i4", 4]],
    [["f8", 99.5]],
  ];
  if (format === "ascii") {
    const lines = rows.map((row) => row.map(([, value]) => value).join(" "));
    return joinBytes(header, textBytes(`${lines.join("\n")}\n`));
  }
  return joinBytes(header, ...rows.map((row) => pack(row, format === "binary_little_endian")));
}

/**
 * Five points with packed colours, four bytes of padding, a label and two values of `scores` each.
 */
export function pcdSample(data: "ascii" | "binary" | "binary_compressed"): Uint8Array {
  const header = textBytes(`# .PCD v.7 - Point Cloud Data file format
VERSION .7
FIELDS x y z rgb _ label scores
SIZE 4 4 8 4 1 2 4
TYPE F F F F U U F
COUNT 1 1 1 1 4 1 2
WIDTH 5
HEIGHT 1
VIEWPOINT 0 0 0 1 0 0 0
POINTS 5
DATA ${data}
`);
  const types: BinaryType[] = ["f4", "f4", "f8", "f4", "u1", "u1", "u1", "u1", "u2", "f4", "f4"];
  const rows = Array.from({ length: 5 }, (_, i) => {
    const { xyz, rgb, label } = samplePoint(i);
    const packed =
      new Float32Array(new Uint32Array([rgb[0] << 16 | rgb[1] << 8 | rgb[2]]).buffer)[0];
    return [...xyz, packed, 0, 0, 0, 0, label, i / 2, -i];
  });
  if (data === "ascii") {
    return joinBytes(header, textBytes(`${rows.map((row) => row.join(" ")).join("\n")}\n`));
  }
  const bytesOf = (k: number, row: number[]): Uint8Array => pack([[types[k], row[k]]]);
  if (data === "binary") {
    return joinBytes(header, ...rows.flatMap((row) => types.map((_, k) => bytesOf(k, row))));
  }
  // All of a field, then all of the next; the four bytes of padding are one field.
  const fields = [[0], [1], [2], [3], [4, 5, 6, 7], [8], [9, 10]];
  const plain = joinBytes(
    ...fields.flatMap((field) => rows.flatMap((row) => field.map((k) => bytesOf(k, row)))),
  );
  const packed = compressLzf(plain);
  return joinBytes(header, pack([["u4", packed.length], ["u4", plain.length]]), packed);
}

/** LZF, with a back reference wherever the last 8,192 bytes offer one of three bytes or more. */
export function compressLzf(plain: Uint8Array): Uint8Array {
  const out: number[] = [];
  let literals: number[] = [];
  const flush = (): void => {
    for (let i = 0; i < literals.length; i += 32) {
      const run = literals.slice(i, i + 32);
      out.push(run.length - 1, ...run);
    }
    literals = [];
  };
  for (let at = 0; at < plain.length;) {
    let length = 0;
    let back = 0;
    for (let from = Math.max(0, at - 8192); from < at; from++) {
      let same = 0;
      while (same < 264 && at + same < plain.length && plain[from + same] === plain[at + same]) {
        same++;
      }
      if (same > length) [length, back] = [same, at - from - 1];
    }
    if (length < 3) {
      literals.push(plain[at++]);
      continue;
    }
    flush();
    const rest = length - 2;
    if (rest < 7) out.push((rest << 5) | (back >> 8), back & 255);
    else out.push((7 << 5) | (back >> 8), rest - 7, back & 255);
    at += length;
  }
  flush();
  return Uint8Array.from(out);
}

/** Two triangles, their header beginning with "solid" as some exporters write it. */
export function stlBinarySample(): Uint8Array {
  const header = new Uint8Array(80);
  header.set(textBytes("solid made by a test"));
  const triangle = (z: number): Uint8Array =>
    pack([
      ...[0, 0, 1, 0, 0, z, 1, 0, z, 0, 1, z].map((value) => ["f4", value] as const),
      ["u2", 0],
    ]);
  return joinBytes(header, pack([["u4", 2]]), triangle(0), triangle(2.5));
}

const OFF = `OFF
# a tetrahedron
4 4 6

0 0 0
1.5 0 0
0 1 0
0 0 -2e-1
3 0 1 2
3 0 1 3  255 0 0
3 0 2 3
3 1 2 3
`;
const COFF = `COFF
4 1 0
0 0 0 255 0 0 255
1 0 0 0 255 0 255
1 1 0 0 0 255 255
0 1 0 0 0 0 255
4 0 1 2 3
`;
const OBJ = `# a square
mtllib a.mtl
v 0 0 0 1 0 0
v 1 0 0 0 1 0
v 1 1 0 0 0 1
v 0 1 0 0.5 0.5 0.5
vt 0 0
vn 0 0 1
vn 0 0 2
f 1/1/1 2/1/1 3/1/2
f -4//1 -2//1 -1//2
`;
const STL = `solid a
  facet normal 0 0 1
    outer loop
      vertex 0 0 0
      vertex 1 0 0
      vertex 0 1 0
    endloop
  endfacet
  facet normal 0 0 1
    outer loop
      vertex 0 0 2.5
      vertex 1 0 2.5
      vertex 0 1 2.5
    endloop
  endfacet
endsolid a
`;
const XYZ = `# x y z and colours
0.5 1.5 -2.5 10 20 30
1.5 1.5 -2.5 11 21 31
2.5 1.5 -2.25e1 12 22 32
3.5 nan -2.5 13 23 255
`;
const CSV = `"X","Y","Z","Intensity","Classification"
635616.31, 848977.79, 407.35, 12, 2
635616.32, 848977.80, 407.36, , 5
635617.33, 848978.81, 408.37, 14, 2
`;
const PTS = `3
1.5 2 3 -1035 97 59 38
1.5 2.5 3 -1164 32 19 11
1.5 2 3.5 -1397 15 10 10
`;
const PTX = `2
2
0 0 0
1 0 0
0 1 0
0 0 1
1 0 0 0
0 1 0 0
0 0 1 0
10 20 30 1
1 2 3 0.25
0 0 0 0.5
2 3 4 0.75
3 4 5 1
`;
