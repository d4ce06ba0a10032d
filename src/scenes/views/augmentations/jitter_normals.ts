import type { Random } from "../../../base/random.ts";
import { number, type Rule } from "./rule.ts";

/** See `Augmentation`. */
export const jitterNormals: Rule<"jitter_normals"> = {
  type: "jitter_normals",
  fields: {
    sigma: number(0.1, 0, Infinity),
    p: number(0.95, 0, 1),
  },
  needs({ featureColumns }) {
    return featureColumns.some(({ kind }) => kind === "vector")
      ? undefined
      : "normals or other vectors";
  },
  apply({ feats, width, vectors }, { sigma }, random) {
    for (const first of vectors) jitterVectors(feats, width, first, sigma, random);
  },
};

function jitterVectors(
  feats: Float32Array,
  width: number,
  first: number,
  sigma: number,
  random: Random,
): void {
  for (let at = first; at < feats.length; at += width) {
    const vector = feats.subarray(at, at + 3);
    const length = Math.hypot(...vector);
    for (let k = 0; k < 3; k++) vector[k] += length * sigma * random.normal();
    const scale = length > 0 ? length / Math.hypot(...vector) : 0;
    for (let k = 0; k < 3; k++) vector[k] *= scale;
  }
}
