/** A point cloud as a file holds it: coordinates, and every other column under its name. */

/** One named column group of a point cloud, `width` values a point, row-major. */
export interface Attribute {
  /** Values per point: 3 for `normals` and `colors`, 1 for most others. */
  readonly width: number;
  /**
   * `count * width` values. Colours are scaled to [0, 1]; integers that label something stay
   * integers.
   */
  readonly data: Float32Array | Float64Array | Int32Array | Uint32Array;
}

/** Bounds and first point in the file's own coordinates. */
export interface Extent {
  /** Smallest finite x, y, z; Infinity where there is none. */
  readonly min: readonly [number, number, number];
  /** Largest finite x, y, z; -Infinity where there is none. */
  readonly max: readonly [number, number, number];
  /** The first point as it stands in the file. */
  readonly first: readonly [number, number, number];
}

/**
 * Points with named attributes. Coordinates are float32 relative to `origin`, so that georeferenced
 * scans keep their millimetres: the file's coordinate is `origin[k] + coords[3 * i + k]` in
 * float64.
 *
 * Well-known attribute names: `normals` (3), `colors` (3), `intensity` (1), `labels` (1, integers),
 * `instances` (1, integers). Any other column keeps the name its file gave it.
 */
export interface PointCloud {
  /** Number of points. */
  readonly count: number;
  /** (count, 3), metres. */
  readonly coords: Float32Array;
  /** What was subtracted from the coordinates, in the file's own system. */
  readonly origin: readonly [number, number, number];
  /** Set by readers where float32 rounds the file's numbers: what they were. */
  readonly extent?: Extent;
  /** What is known of each point, by name. */
  readonly attributes: ReadonlyMap<string, Attribute>;
  /** (faces, 3) vertex indices, where the file holds a mesh. Polygons are fanned into triangles. */
  readonly triangles?: Uint32Array;
  /** Where the file has labels in words: label i of the attribute `labels` is `classNames[i]`. */
  readonly classNames?: readonly string[];
  /** Guesses and warnings of whoever read the file, each a sentence for a person. */
  readonly notes?: readonly string[];
}
