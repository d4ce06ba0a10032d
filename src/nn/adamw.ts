/** AdamW: the update of all parameters in one dispatch. */

import wgsl from "../../shaders/nn/adamw.wgsl" with { type: "text" };
import type { Tensor } from "../tensor/tensor.ts";
import { PARAMETER_BLOCK, type ParameterSet } from "./parameters.ts";

/** Settings; the defaults are docs/model.md's. */
export interface AdamWOptions {
  /** Default 0.01, applied to every parameter. */
  readonly weightDecay?: number;
  /** Default 0.9. */
  readonly beta1?: number;
  /** Default 0.999. */
  readonly beta2?: number;
  /** Default 1e-8. */
  readonly eps?: number;
}

/** What a checkpoint keeps of an optimiser, by parameter name. */
export interface AdamWState {
  /** Running mean of each gradient. */
  readonly firstMoment: Map<string, Float32Array>;
  /** Running mean of each gradient's square. */
  readonly secondMoment: Map<string, Float32Array>;
  /** Updates each parameter has received. */
  readonly steps: Map<string, number>;
}

/** AdamW with decoupled weight decay over a parameter set. */
export class AdamW implements Disposable {
  /** What is updated. */
  readonly parameters: ParameterSet;
  readonly #options: Required<AdamWOptions>;
  readonly #firstMoment: Tensor;
  readonly #secondMoment: Tensor;
  readonly #blockParameter: Tensor;
  readonly #factors: Tensor;
  /**
   * One word, not 0 where a gradient of the last step was NaN, infinite or too large to square:
   * told by its bits, for shader compilers may take NaN for a number.
   */
  readonly notFinite: Tensor;
  readonly #steps: Uint32Array;

  /** Moments start at zero. */
  constructor(parameters: ParameterSet, options: AdamWOptions = {}) {
    const { weightDecay = 0.01, beta1 = 0.9, beta2 = 0.999, eps = 1e-8 } = options;
    this.parameters = parameters;
    this.#options = { weightDecay, beta1, beta2, eps };
    this.#firstMoment = parameters.flat("first moment");
    this.#secondMoment = parameters.flat("second moment");
    const { firstBlock, specs, device } = parameters;
    const blocks = new Uint32Array(firstBlock[specs.length]);
    specs.forEach((_, i) => blocks.fill(i, firstBlock[i], firstBlock[i + 1]));
    // Both outlive any scope: `flat` gives memory without an owner.
    const place = parameters.flat("block parameter", Math.max(1, blocks.length));
    device.write(place.slice, blocks);
    this.#blockParameter = place;
    this.#factors = parameters.flat("AdamW factors", Math.max(1, specs.length) * 4);
    this.notFinite = parameters.flat("AdamW finite", 1);
    this.#steps = new Uint32Array(specs.length);
  }

  /**
   * Update every parameter in `touched` (those that received a gradient; the others are left alone,
   * as PyTorch does) from the set's gradients. Values whose gradient is no finite number are left
   * alone too; `notFinite` says so.
   */
  step(learningRate: number, touched: ReadonlySet<Tensor>): void {
    const { device, specs, values, gradients } = this.parameters;
    const { weightDecay, beta1, beta2, eps } = this.#options;
    const factors = new Float32Array(specs.length * 4);
    specs.forEach(({ name }, i) => {
      if (!touched.has(this.parameters.get(name))) return;
      const t = ++this.#steps[i];
      factors[4 * i] = 1 - learningRate * weightDecay;
      factors[4 * i + 1] = learningRate / (1 - beta1 ** t);
      factors[4 * i + 2] = 1 / Math.sqrt(1 - beta2 ** t);
      factors[4 * i + 3] = 1;
    });
    device.write(this.#factors.slice, factors);
    device.clear(this.notFinite.slice);
    device.run(
      device.kernel("adamw", wgsl),
      {
        gradient: gradients.slice,
        block_parameter: this.#blockParameter.slice,
        factors: this.#factors.slice,
        value: values.slice,
        first_moment: this.#firstMoment.slice,
        second_moment: this.#secondMoment.slice,
        not_finite: this.notFinite.slice,
      },
      { blocks: values.size / PARAMETER_BLOCK, beta1, beta2, eps },
      Math.ceil(values.size / 256),
    );
  }

  /** Moments and step counts by parameter name. Waits for the device. */
  async state(): Promise<AdamWState> {
    const { parameters } = this;
    return {
      firstMoment: await parameters.read(this.#firstMoment),
      secondMoment: await parameters.read(this.#secondMoment),
      steps: new Map(
        parameters.specs.flatMap(({ name, buffer }, i) => buffer ? [] : [[name, this.#steps[i]]]),
      ),
    };
  }

  /** Go on from a saved state. */
  restore(state: AdamWState): void {
    this.parameters.writeFlat(this.#firstMoment, state.firstMoment);
    this.parameters.writeFlat(this.#secondMoment, state.secondMoment);
    this.parameters.names.forEach((name, i) => {
      this.#steps[i] = state.steps.get(name) ?? 0;
    });
  }

  /** Free the moments. The parameters stay. */
  [Symbol.dispose](): void {
    const { notFinite } = this;
    for (
      const part of [
        this.#firstMoment,
        this.#secondMoment,
        this.#blockParameter,
        this.#factors,
        notFinite,
      ]
    ) {
      part.dispose();
    }
  }
}
