/**
 * Named parameters in one flat buffer, with one flat gradient: what an optimiser updates in one
 * dispatch.
 */

import { Random } from "../base/random.ts";
import type { BufferSlice, Device } from "../gpu/device.ts";
import { DeviceError, formatBytes } from "../gpu/errors.ts";
import { elements, formatShape } from "../tensor/shapes.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { Initialiser } from "./initialisers.ts";

/**
 * Elements a parameter's place is rounded up to: 256 bytes, the alignment every binding offset
 * needs.
 */
export const PARAMETER_BLOCK = 64;

/** A parameter before it has memory. */
export interface ParameterSpec {
  /** As in PyTorch's `state_dict`. */
  readonly name: string;
  /** (out, in) for the weight of a Linear, else [n]. */
  readonly shape: readonly number[];
  /** Draws its first values. */
  readonly initial: Initialiser;
  /** Whether it is a buffer, such as a running mean: part of the model, and trained by nobody. */
  readonly buffer?: true;
}

/**
 * Collects the parameters that modules declare; names are joined with dots as in PyTorch's
 * `state_dict`.
 */
export class ParameterRegistry {
  /** In the order in which they were declared. */
  readonly specs: ParameterSpec[] = [];

  /** Declare a parameter. Its tensor is looked up by `name` once the set is made. */
  declare(name: string, shape: readonly number[], initial: Initialiser): void {
    if (this.specs.some((spec) => spec.name === name)) {
      throw new Error(`Parameter ${name} declared twice`);
    }
    this.specs.push({ name, shape, initial });
  }

  /** Declare a buffer: kept with the parameters, under a name of its own, and not trained. */
  declareBuffer(name: string, shape: readonly number[], initial: Initialiser): void {
    this.declare(name, shape, initial);
    this.specs[this.specs.length - 1] = { name, shape, initial, buffer: true };
  }
}

/** Those of `specs` that are no buffers. */
export function trainedOf(specs: readonly ParameterSpec[]): readonly ParameterSpec[] {
  return specs.filter(({ buffer }) => !buffer);
}

/** Parameters on a device. Freed by `dispose` or `using`. */
export class ParameterSet implements Disposable {
  /** Where they lie. */
  readonly device: Device;
  /** In the order in which they were declared. */
  readonly specs: readonly ParameterSpec[];
  /** All values, padded to blocks. */
  readonly values: Tensor;
  /** All gradients, laid out as `values`. */
  readonly gradients: Tensor;
  /** First block of each parameter, and at the end the number of blocks. */
  readonly firstBlock: Uint32Array;
  readonly #tensors = new Map<string, Tensor>();

  /**
   * Parameters are zero until `initialise`, `write` or `writeFlat`.
   *
   * @throws {DeviceError} They are more than the device binds at once.
   */
  constructor(device: Device, specs: readonly ParameterSpec[]) {
    this.device = device;
    this.specs = specs;
    this.firstBlock = new Uint32Array(specs.length + 1);
    specs.forEach((spec, i) => {
      this.firstBlock[i + 1] = this.firstBlock[i] +
        Math.ceil(elements(spec.shape) / PARAMETER_BLOCK);
    });
    const total = this.firstBlock[specs.length] * PARAMETER_BLOCK;
    const { maxBufferSize, maxStorageBufferBindingSize } = device.limits;
    const most = Math.min(maxBufferSize, maxStorageBufferBindingSize);
    if (4 * total > most) {
      const wide = specs.reduce((a, b) => elements(a.shape) >= elements(b.shape) ? a : b);
      throw new DeviceError(
        `Cannot hold the model: its ${total.toLocaleString("en")} parameters take ${
          formatBytes(4 * total)
        }, the device binds ` +
          `${
            formatBytes(most)
          } at once. Use smaller widths (hidden_dim, output_dim, encoder_hidden_dims, ` +
          `propagator_hidden_dim, projection_dim); the largest weight is ${wide.name} ${
            formatShape(wide.shape)
          }.`,
      );
    }
    this.values = this.flat("parameters", total);
    this.gradients = this.flat("gradients", total);
    specs.forEach((spec, i) => {
      const place = (flat: Tensor): BufferSlice => ({
        buffer: flat.slice.buffer,
        offset: this.firstBlock[i] * PARAMETER_BLOCK * 4,
        size: elements(spec.shape) * 4,
      });
      const trained = spec.buffer !== true;
      const parameter = new Tensor(device, spec.shape, "f32", place(this.values), trained);
      if (trained) parameter.grad = new Tensor(device, spec.shape, "f32", place(this.gradients));
      this.#tensors.set(spec.name, parameter);
    });
  }

  /** A zeroed buffer laid out as the parameters, owned by this set's holder and not by a scope. */
  flat(label: string, size: number = this.values.size): Tensor {
    const buffer = this.device.allocate(size * 4, label, false);
    const out = new Tensor(this.device, [size], "f32", { buffer, offset: 0, size: size * 4 });
    this.device.clear(out.slice);
    return out;
  }

  /** Draw all initial values. Each parameter's depend on the seed and its name only. */
  initialise(seed: number): void {
    for (const { name, shape, initial } of this.specs) {
      this.write(name, initial(shape, new Random(seed, "parameter", name)));
    }
  }

  /** The parameter of that name. */
  get(name: string): Tensor {
    const parameter = this.#tensors.get(name);
    if (!parameter) throw new Error(`There is no parameter ${name}`);
    return parameter;
  }

  /** Values in `values`, padding counted. */
  get flatSize(): number {
    return this.values.size;
  }

  /** Where a parameter's first value stands in `values`. */
  offsetOf(name: string): number {
    return this.get(name).slice.offset / 4;
  }

  /** Names in declaration order. */
  get names(): string[] {
    return this.specs.map((spec) => spec.name);
  }

  /** What is trained, in declaration order. */
  get trained(): readonly ParameterSpec[] {
    return trainedOf(this.specs);
  }

  /** Values that are trained, padding not counted. */
  get count(): number {
    return this.trained.reduce((total, spec) => total + elements(spec.shape), 0);
  }

  /** Replace a parameter's values. */
  write(name: string, values: Float32Array): void {
    const parameter = this.get(name);
    if (values.length !== parameter.size) {
      throw new TypeError(
        `Cannot set ${name}: ${
          formatShape(parameter.shape)
        } expected, ${values.length} values given.`,
      );
    }
    this.device.write(parameter.slice, values);
  }

  /**
   * Values by name of a flat tensor laid out as the parameters (values, gradients, optimiser
   * state). Waits.
   */
  async read(flat: Tensor = this.values): Promise<Map<string, Float32Array>> {
    const all = await flat.data();
    return new Map(this.specs.map(({ name, shape }, i) => {
      const first = this.firstBlock[i] * PARAMETER_BLOCK;
      return [name, all.slice(first, first + elements(shape))];
    }));
  }

  /** Replace a flat tensor laid out as the parameters. */
  writeFlat(flat: Tensor, values: ReadonlyMap<string, Float32Array>): void {
    const all = new Float32Array(flat.size);
    this.specs.forEach(({ name, buffer }, i) => {
      const own = values.get(name);
      // Of a buffer there are no moments.
      if (own || !buffer) all.set(own!, this.firstBlock[i] * PARAMETER_BLOCK);
    });
    this.device.write(flat.slice, all);
  }

  /** Set all gradients to zero. */
  zeroGradients(): void {
    this.device.clear(this.gradients.slice);
  }

  /** Free the memory. */
  [Symbol.dispose](): void {
    this.values.dispose();
    this.gradients.dispose();
  }
}
