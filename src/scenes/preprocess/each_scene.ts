/** Makes scenes by several workers. */

import { DataError, UsageError } from "../../base/errors.ts";
import { WorkerPool } from "../../base/worker_pool.ts";
import {
  makeScene,
  type SceneFailure,
  type SceneOutcome,
  type SceneRequest,
} from "./make_scene.ts";
import type { PlannedScene } from "./plan.ts";
import type { SceneSettings } from "./settings.ts";

/** Makes the scenes, several at a time, and hands over each outcome as it comes. */
export async function eachScene(
  scenes: readonly PlannedScene[],
  { output, settings, workers }: {
    readonly output: string;
    readonly settings: SceneSettings;
    /** 0: in this thread. */
    readonly workers: number;
  },
  signal: AbortSignal | undefined,
  take: (scene: PlannedScene, made: SceneOutcome | SceneFailure) => void,
): Promise<void> {
  const size = Math.min(workers, scenes.length);
  using pool = new WorkerPool<SceneRequest, SceneOutcome | SceneFailure>(
    new URL("./scene_worker.ts", import.meta.url),
    size,
    settings,
  );
  const stop = (): void => pool.close();
  signal?.addEventListener("abort", stop);
  const make = async (scene: PlannedScene): Promise<SceneOutcome | SceneFailure> => {
    const request = { scene, output };
    if (size === 0) return await makeScene(request, settings);
    try {
      return await pool.run(request);
    } catch (error) {
      if (error instanceof DataError || error instanceof UsageError) throw error;
      signal?.throwIfAborted();
      return { failure: `the worker that read it broke: ${(error as Error).message}` };
    }
  };
  try {
    const queue = scenes.values();
    let stopped = false;
    // Each lane takes the next scene as soon as its last one is done.
    const lane = async (): Promise<void> => {
      try {
        for (const scene of queue) {
          signal?.throwIfAborted();
          const made = await make(scene);
          // Another lane's error ended the workers: what this one was at is no failure of its own.
          if (stopped) return;
          take(scene, made);
        }
      } catch (error) {
        stopped = true;
        throw error;
      }
    };
    await Promise.all(Array.from({ length: Math.max(1, size) }, lane));
  } finally {
    signal?.removeEventListener("abort", stop);
  }
}
