/** Points with colours as binary PLY, which every viewer opens. */

/**
 * A PLY file's bytes. Coordinates are doubles where there is an origin to add, as those of
 * georeferenced scans need it.
 * @param colors (N, 3) from 0 to 255
 */
export function encodeColoredPly(
  coords: Float32Array,
  origin: readonly [number, number, number],
  colors: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const count = coords.length / 3;
  const wide = origin.some((value) => value !== 0);
  const type = wide ? "double" : "float";
  const head = new TextEncoder().encode(
    [
      "ply",
      "format binary_little_endian 1.0",
      "comment red, green, blue: the first three principal components of the features",
      `element vertex ${count}`,
      ...["x", "y", "z"].map((name) => `property ${type} ${name}`),
      ...["red", "green", "blue"].map((name) => `property uchar ${name}`),
      "end_header\n",
    ].join("\n"),
  );
  const size = wide ? 8 : 4, stride = 3 * size + 3;
  const bytes = new Uint8Array(head.length + count * stride);
  bytes.set(head);
  const view = new DataView(bytes.buffer, head.length);
  for (let i = 0; i < count; i++) {
    for (let k = 0; k < 3; k++) {
      const at = i * stride + k * size, value = origin[k] + coords[3 * i + k];
      if (wide) view.setFloat64(at, value, true);
      else view.setFloat32(at, value, true);
    }
    bytes.set(colors.subarray(3 * i, 3 * i + 3), head.length + i * stride + 3 * size);
  }
  return bytes;
}
