/** Learning-rate schedules, as closed forms of the epoch: nothing to save. */

/** Settings of docs/model.md, "Optimisation". */
export interface ScheduleConfig {
  /** The rate of epoch 0. */
  readonly learning_rate: number;
  /** Cosine annealing, or constant. */
  readonly scheduler_type: "cosine" | "none";
  /** Epochs until `eta_min`. */
  readonly T_max: number;
  /** The lowest rate. */
  readonly eta_min: number;
}

/**
 * The learning rate after `epoch` scheduler steps: cosine annealing from `learning_rate` to
 * `eta_min` over `T_max` epochs (Loshchilov and Hutter 2017, without restarts; after T_max it
 * climbs back), or constant.
 */
export function learningRate(config: ScheduleConfig, epoch: number): number {
  const { learning_rate, scheduler_type, T_max, eta_min } = config;
  if (scheduler_type === "none") return learning_rate;
  return eta_min + (learning_rate - eta_min) * (1 + Math.cos(Math.PI * epoch / T_max)) / 2;
}
