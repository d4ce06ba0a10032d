/**
 * Small files of the binary formats: arrays, pickles, scenes, laser scans. What
 * `all_format_samples.ts` adds to the others.
 */

import { treeFromNested } from "../../src/scenes/region_tree.ts";
import { encodeSafetensors } from "../../src/base/safetensors.ts";
import { sceneTensors } from "../../src/scenes/scene_file.ts";
import type { FormatSample } from "./format_samples.ts";
import { e57Contents, e57Pages, e57Scans } from "./e57_samples.ts";
import { lasSample, lazSamples } from "./las_samples.ts";
import { npyFile, zipFile } from "./npy_samples.ts";
import { pickleSamples } from "./pickle_samples.ts";

/** Every sample of the binary formats. */
export function binarySamples(): FormatSample[] {
  return [...arraySamples(), ...sceneSamples(), ...laserSamples()];
}

const XYZ = Float32Array.from({ length: 15 }, (_, i) => i / 4 - 1);

function arraySamples(): FormatSample[] {
  const xyz = npyFile("'<f4'", "(5, 3)", XYZ);
  const records = npyFile(
    "[('x', '<f4'), ('y', '<f4'), ('z', '<f4'), ('rgb', '|u1', (3,)), ('', '|V1'), ('t', '<f8')]",
    "(2,)",
    new Uint8Array(48),
  );
  const archive = {
    "points.npy": xyz,
    "label.npy": npyFile("'<i8'", "(5,)", new BigInt64Array(5)),
  };
  return [
    { kind: "NPY", fileName: "a.npy", bytes: xyz, points: 5 },
    { kind: "NPY records", fileName: "a.npy", bytes: records, points: 2 },
    { kind: "NPZ stored", fileName: "a.npz", bytes: zipFile(archive), points: 5 },
    { kind: "NPZ packed", fileName: "a.npz", bytes: zipFile(archive, true), points: 5 },
  ];
}

function sceneSamples(): FormatSample[] {
  const tree = treeFromNested({ indices: [0, 1, 2, 3, 4], center_idx: 2, level: 0 }, 5, "sample");
  const attributes = new Map([["normals", { width: 3, data: XYZ }]]);
  const cloud = { count: 5, coords: XYZ, origin: [1, 2, 3], attributes } as const;
  const { tensors, metadata } = sceneTensors({ id: "sample", cloud, tree });
  const bytes = encodeSafetensors(tensors, metadata);
  const names = ["torch protocol 4", "numpy protocol 2", "numpy protocol 0", "torch.save"];
  return [
    { kind: "safetensors scene", fileName: "a.safetensors", bytes, points: 5 },
    ...names.map((name) => ({
      kind: `pickle, ${name}`,
      fileName: "a.pkl",
      bytes: pickleSamples.get(name)!,
      points: 7,
    })),
  ];
}

function laserSamples(): FormatSample[] {
  const laz = (format: number): FormatSample => ({
    kind: `LAZ point format ${format}`,
    fileName: "a.laz",
    bytes: lazSamples[format].laz,
    points: 45,
  });
  return [
    {
      kind: "raw float32",
      fileName: "a.bin",
      bytes: new Uint8Array(XYZ.slice(0, 12).buffer),
      points: 4,
    },
    { kind: "E57", fileName: "a.e57", bytes: e57Pages(e57Contents(e57Scans())), points: 6 },
    { kind: "LAS", fileName: "a.las", bytes: lasSample(), points: 3 },
    ...[3, 4, 6, 10].map(laz),
  ];
}
