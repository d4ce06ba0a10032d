/**
 * The checkpoints that `fit` writes into checkpoint_dir: one writer at a time, and one last try
 * when an error ends a run.
 */

import { join } from "@std/path";
import { removeTemporaries } from "../base/atomic_write.ts";
import { type FolderLock, lockFolder } from "../base/folder_lock.ts";
import { DataError, UsageError } from "../base/errors.ts";
import { checkpointPath } from "../run/checkpoint.ts";
import { DivergedError } from "./diverged.ts";

/** What is saved. */
export interface SavedRun {
  /** Where checkpoints go. */
  readonly config: { readonly checkpoint_dir: string };
  /**
   * Where logs go, if anywhere: named by a person too, it takes a checkpoint that checkpoint_dir
   * does not.
   */
  readonly runDirectory: string | null;
  /** Writes a checkpoint of the present state. */
  saveCheckpoint(path: string): Promise<void>;
}

/** Writes a run's checkpoints. */
export class RunSaves implements Disposable {
  /** The checkpoint to go on from, if one was written: `last`, or `final`. */
  latest: string | null = null;
  readonly #run: SavedRun;
  readonly #lock: FolderLock;

  private constructor(run: SavedRun, lock: FolderLock) {
    this.#run = run;
    this.#lock = lock;
  }

  /**
   * Locks checkpoint_dir, and clears away what writers that were killed have left there.
   *
   * @throws {UsageError} The folder cannot be made or written, or another run writes there.
   */
  static async open(run: SavedRun): Promise<RunSaves> {
    const folder = run.config.checkpoint_dir;
    const lock = await lockFolder(folder, "checkpoint_dir");
    await removeTemporaries(folder, (name) => name.endsWith(".safetensors"));
    return new RunSaves(run, lock);
  }

  /** Writes the present state under a name. */
  async save(name: string): Promise<void> {
    const path = checkpointPath(this.#run.config.checkpoint_dir, name);
    try {
      await this.#run.saveCheckpoint(path);
    } catch (error) {
      // The folder was there when the run began: that it no longer is was not asked for wrongly.
      throw error instanceof UsageError ? new DataError(error.message, { cause: error }) : error;
    }
    if (name === "last" || name === "final") this.latest = path;
  }

  /**
   * One try to save what `error` would lose: in checkpoint_dir, made again if it is gone, or else
   * in the run's own folder.
   *
   * @returns the checkpoint's path, or why there is none; null: nothing is to be saved, for
   * training diverged
   */
  async rescue(error: unknown): Promise<{ path: string } | { why: string } | null> {
    if (error instanceof DivergedError) return null;
    const { config, runDirectory } = this.#run;
    const folders = [config.checkpoint_dir, ...(runDirectory === null ? [] : [runDirectory])];
    let why = "";
    for (const folder of folders) {
      const path = join(folder, "last.safetensors");
      try {
        await Deno.mkdir(folder, { recursive: true });
        await this.#run.saveCheckpoint(path);
        return { path };
      } catch (failure) {
        if (failure instanceof DivergedError) return null;
        why ||= failure instanceof Error ? failure.message : String(failure);
      }
    }
    return { why };
  }

  /** Gives checkpoint_dir free. */
  [Symbol.dispose](): void {
    this.#lock.close();
  }
}
