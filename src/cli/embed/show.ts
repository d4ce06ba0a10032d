/** What `embed` says to the person who runs it. */

import { describeBeside } from "../preprocess/show.ts";
import type { SceneSettings } from "../../scenes/preprocess/settings.ts";
import type { Manifest } from "../../inference/embed/manifest.ts";
import type { EmbedPlan } from "../../inference/embed/run.ts";

const NUMBER = new Intl.NumberFormat("en");

/** What a run will do. */
export function describePlan({ scenes, kept, left, beside }: EmbedPlan, output: string): string {
  const others = kept.size - (scenes.length - left.length);
  const done = scenes.length - left.length;
  const first = [
    `${count(scenes.length, "scene")} into ${output}`,
    done > 0 ? `${NUMBER.format(done)} made already` : "",
    others > 0 ? `${NUMBER.format(others)} of other inputs stay` : "",
  ].filter((part) => part !== "").join(", ");
  // Lists that give splits say nothing here: features are made of all scenes.
  return [first, ...describeBeside({ ...beside, lists: [] }).map((line) => `  ${line}`)].join("\n");
}

/** How scans are prepared on the way, and who says so. */
export function describePreparation(
  { prepare, tree }: SceneSettings,
  from: "checkpoint" | "defaults",
): string {
  const { unitScale, voxelSize, maxPoints, meshPoints, unit, normalOrientation } = prepare;
  const parts = [
    unitScale ? "scaled to radius 1" : "in metres",
    unit === 1 ? "" : `${unit} m a unit`,
    voxelSize > 0 ? `voxels of ${voxelSize} m` : "no voxels",
    maxPoints > 0 ? `at most ${NUMBER.format(maxPoints)} points` : "",
    `meshes as ${NUMBER.format(meshPoints)} points`,
    `normals ${normalOrientation}`,
    `regions of ${tree.branching} children to depth ${tree.maxDepth}`,
  ].filter((part) => part !== "").join(", ");
  const who = from === "checkpoint"
    ? "as the training scenes were"
    : "by defaults, for the checkpoint does not say how its scenes were";
  return `Scans are prepared ${who}: ${parts}. Flags change it, see --help.`;
}

/** How a run went. */
export function describeResult(
  { scenes, failed, width, recipe }: Manifest,
  output: string,
  made: number,
  seconds: number,
): string {
  const points = scenes.reduce((sum, scene) => sum + scene.points, 0);
  const lines = [
    `${count(scenes.length, "scene")} in ${output}: ${
      NUMBER.format(points)
    } points, ${width} values a feature; ` +
    `${NUMBER.format(made)} made in ${seconds.toFixed(1)} s`,
    `  manifest.json says what is where; all scenes together: ${
      recipe.outputs.formats.map((format) =>
        format === "npy" ? "scenes/*.npy" : "scenes.safetensors"
      )
        .join(" and ")
    }`,
  ];
  if (failed.length > 0) {
    lines.push(`  skipped: ${count(failed.length, "file")}, see manifest.json`);
  }
  return lines.join("\n");
}

function count(n: number, what: string): string {
  return `${NUMBER.format(n)} ${what}${n === 1 ? "" : "s"}`;
}
