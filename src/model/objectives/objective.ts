/** What a training makes small. */

import type { Step } from "../../nn/network.ts";
import { declareSteps } from "../../nn/network.ts";
import { ParameterRegistry, type ParameterSet, type ParameterSpec } from "../../nn/parameters.ts";
import type { RowIndex, Tensor } from "../../tensor/mod.ts";
import type { EncoderOutput } from "../encoder.ts";
import type { ModelConfig } from "../model_config.ts";

/** What an objective is made of, in a step. */
export interface ObjectiveInput {
  /** Both branches, and what the objective's heads make of them. */
  readonly output: EncoderOutput;
  /** Rows of the batch drawn for what is said of points; null: all. */
  readonly sample: RowIndex | null;
  /** The model's settings. */
  readonly config: ModelConfig;
  /** The model's weights, the objective's own among them. */
  readonly parameters: ParameterSet;
}

/** Scalars on the device. */
export interface Losses<Name extends string = string> {
  /** What is made small. */
  readonly total: Tensor;
  /** What it is made of, by the names under which it is logged. */
  readonly scalars: Readonly<Record<Name, Tensor>> & Readonly<Record<string, Tensor>>;
}

/** Something to make small, of what both branches say of a batch. */
export interface Objective<Name extends string = string> {
  /** Names it in messages. */
  readonly name: string;
  /** Scalars that every step has besides the total; logged under these names. */
  readonly scalars: readonly Name[];
  /**
   * Networks on rows named `row`, by name; their parameters' names begin with `loss.`. They are
   * what `output.project` and `output.contrast` can be asked for. Default: none.
   */
  heads?(config: ModelConfig): Readonly<Record<string, readonly Step[]>>;
  /**
   * Parameters of its own besides the heads', with names that begin with `loss.`. Default: none.
   */
  parameters?(config: ModelConfig): readonly ParameterSpec[];
  /** The loss of a step. */
  compute(step: ObjectiveInput): Losses<Name>;
}

/** What names of an objective's parameters begin with. */
export const OBJECTIVE_PREFIX = "loss.";

/** All parameters of an objective, the heads' first. */
export function objectiveParameters(objective: Objective, config: ModelConfig): ParameterSpec[] {
  const registry = new ParameterRegistry();
  for (const steps of Object.values(objective.heads?.(config) ?? {})) {
    declareSteps(registry, steps);
  }
  const specs = [...registry.specs, ...objective.parameters?.(config) ?? []];
  const wrong = specs.find(({ name }) => !name.startsWith(OBJECTIVE_PREFIX));
  if (!wrong) return specs;
  throw new TypeError(
    `The objective ${objective.name} has a parameter ${wrong.name}: expected a name that begins with ` +
      `${OBJECTIVE_PREFIX}, so that encoders know what they can do without.`,
  );
}
