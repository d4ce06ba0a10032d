/**
 * The hook that writes checkpoints: after every epoch, when the run is stopped, and one last try
 * when an error ends it.
 */

import { hasCheckpoint } from "../run/checkpoint.ts";
import type { Engine } from "./engine.ts";
import type { Hook, Training } from "./hooks.ts";
import type { EpochSummary, FitSummary, Rescue } from "./reports.ts";
import { RunSaves } from "./run_saves.ts";

/** Writes `last`, `best`, `epoch_0010` and so on, and `final` into checkpoint_dir. */
export class Saving implements Hook {
  readonly name = "checkpoints";
  readonly #engine: Engine;
  readonly #onSaved: (rescue: Rescue) => void;
  #saves: RunSaves | null = null;

  /** @param onSaved told what became of a run that an error ended */
  constructor(engine: Engine, onSaved: (rescue: Rescue) => void = () => {}) {
    this.#engine = engine;
    this.#onSaved = onSaved;
  }

  /** The checkpoint to go on from, if one was written: `last`, or `final`. */
  get latest(): string | null {
    return this.#saves?.latest ?? null;
  }

  /**
   * Locks the folder, unless there is nothing to write, and writes what an earlier run has left to
   * be written.
   */
  async beforeRun(_at: unknown, training: Training): Promise<void> {
    const { at, isDone } = this.#engine;
    const { checkpoint_dir } = training.config;
    const ahead = !isDone || at.unsaved.length > 0 ||
      !await hasCheckpoint(checkpoint_dir, "final");
    if (!ahead) return;
    this.#saves = await RunSaves.open(training);
    this.#engine.savesEpochs = true;
    await this.#saveLeftOver();
  }

  /** Saves the epoch; as what, was decided before any hook was told of it, who might throw. */
  async afterEpoch(_summary: EpochSummary): Promise<void> {
    await this.#saves?.save("last");
    await this.#saveLeftOver();
  }

  /** Saves what was done of an epoch, and gives the folder free. */
  async afterRun(_summary: FitSummary): Promise<void> {
    if (this.#engine.at.stepInEpoch > 0) await this.#saves?.save("last");
    this.#close();
  }

  #close(): void {
    this.#engine.savesEpochs = false;
    this.#saves?.[Symbol.dispose]();
  }

  /** One try to save what the error would lose. */
  async onError(error: unknown): Promise<void> {
    if (!this.#saves) return;
    try {
      const saved = this.#engine.at.step > 0 ? await this.#saves.rescue(error) : null;
      if (saved) this.#onSaved(saved);
    } finally {
      this.#close();
    }
  }

  /**
   * Write the checkpoints that the present state is still to be saved as; `last` was written before
   * and says so.
   */
  async #saveLeftOver(): Promise<void> {
    if (!this.#saves) return;
    const { at, isDone, config } = this.#engine;
    const names = at.unsaved.filter((name) => name !== "final" || isDone);
    // Runs of earlier versions do not say what they left.
    if (
      isDone && !names.includes("final") && !await hasCheckpoint(config.checkpoint_dir, "final")
    ) {
      names.push("final");
    }
    for (const [i, name] of names.entries()) {
      at.unsaved = names.slice(i + 1);
      await this.#saves.save(name);
    }
    at.unsaved = [];
  }
}
