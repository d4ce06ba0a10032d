/**
 * Small labelled scenes for evaluation tests: shapes that differ, and points that differ by where
 * they lie.
 */

import { join } from "@std/path";
import { Random } from "../../src/base/random.ts";
import { writeScene } from "../../src/scenes/scene_file.ts";
import { buildTree } from "../../src/scenes/tree_builder.ts";

/** What `writeShapes` makes. */
export interface ShapeOptions {
  /** Scenes of each class in train, val and test. */
  readonly counts: Partial<Record<"train" | "val" | "test", number>>;
  /** Default: flat plates, tall poles, balls. */
  readonly classes?: number;
  /** Default 60. */
  readonly points?: number;
  /** Default true. */
  readonly sceneLabels?: boolean;
  /** Default true: 0 low, 1 high, 255 for every seventh point. */
  readonly pointLabels?: boolean;
}

/** Writes prepared scenes into `folder`. */
export async function writeShapes(folder: string, options: ShapeOptions): Promise<void> {
  const { counts, classes = 3, points = 60, sceneLabels = true, pointLabels = true } = options;
  for (const [split, count] of Object.entries(counts)) {
    await Deno.mkdir(join(folder, split), { recursive: true });
    for (let label = 0; label < classes; label++) {
      for (let i = 0; i < count; i++) {
        const id = `${split}_${label}_${i}`;
        const random = new Random(3, id);
        const size = [[1, 1, 0.1], [0.2, 0.2, 1.5], [0.6, 0.6, 0.6]][label % 3];
        const coords = random.fillNormal(new Float32Array(3 * points), 0, 1);
        const normals = new Float32Array(3 * points);
        for (let p = 0; p < points; p++) {
          const norm = Math.hypot(...coords.subarray(3 * p, 3 * p + 3));
          for (let k = 0; k < 3; k++) {
            normals[3 * p + k] = coords[3 * p + k] / norm;
            coords[3 * p + k] *= size[k];
          }
        }
        const labels = Int32Array.from(
          { length: points },
          (_, p) => p % 7 === 0 ? 255 : coords[3 * p + 2] > 0 ? 1 : 0,
        );
        const attributes = new Map<string, { width: number; data: Float32Array | Int32Array }>([
          ["normals", { width: 3, data: normals }],
        ]);
        if (pointLabels) attributes.set("labels", { width: 1, data: labels });
        await writeScene(join(folder, split, `${id}.safetensors`), {
          id,
          cloud: { count: points, coords, origin: [0, 0, 0], attributes },
          tree: buildTree(coords, { branching: 3, maxDepth: 2, minPoints: 8 }),
          sceneLabel: sceneLabels ? label : undefined,
        });
      }
    }
  }
}
