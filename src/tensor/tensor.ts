/** Tensors on the device and the tape that differentiates them. */

import type { BufferSlice, Device } from "../gpu/device.ts";
import { accumulate, addToLeaves } from "./accumulate.ts";
import { watchOutput } from "./nan_watch.ts";
import { checkShape, elements, formatShape } from "./shapes.ts";

/** Element types; all are four bytes wide. */
export type DType = "f32" | "i32" | "u32";

/** Typed arrays a tensor reads from and into. */
export type TensorData = Float32Array | Int32Array | Uint32Array;

/** What an operation gives for each of its inputs: its gradient, or null where it has none. */
export type InputGradients = readonly (Tensor | null)[];

/**
 * One run of `backward`. Operations whose parts have their gradients at different times keep here
 * what they have to tell each other: it is gone with the pass, so a graph can be differentiated
 * again, whole or in parts.
 */
export class BackwardPass {
  readonly #states = new Map<object, unknown>();
  readonly #visits = new Set<TapeNode>();
  readonly #touched = new Set<Tensor>();

  /**
   * What this pass keeps under `key`, an object of the operation's own; made by `make` when first
   * asked for.
   */
  state<T>(key: object, make: () => T): T {
    if (!this.#states.has(key)) this.#states.set(key, make());
    return this.#states.get(key) as T;
  }

  /**
   * Sends for the operation that made `input`: its backward pass runs, after those of all that read
   * what it made, also where no gradient reaches it as a tensor; for operations that find theirs in
   * what the pass keeps.
   */
  visit(input: Tensor): void {
    if (input.node) this.#visits.add(input.node);
  }

  /**
   * A leaf's `grad`, zeros at first, for an operation that adds to it itself, after all others that
   * this pass asks.
   */
  gradientOf(leaf: Tensor): Tensor {
    this.#touched.add(leaf);
    return leaf.grad ??= zeros(leaf.device, leaf.shape);
  }

  /** Whether an operation was sent for. */
  visits(node: TapeNode): boolean {
    return this.#visits.has(node);
  }

  /** Leaves that received a gradient. */
  get touched(): Set<Tensor> {
    return this.#touched;
  }
}

/**
 * How tensors came to be, and how gradients of them become gradients of what they were made from.
 */
export interface TapeNode {
  /** The operation's name, for messages. */
  readonly op: string;
  /** What the operation read. */
  readonly inputs: readonly Tensor[];
  /** What it made. */
  readonly outputs: readonly Tensor[];
  /**
   * From gradients of `outputs`, null where there is none, to those of `inputs`, each in their
   * order.
   */
  readonly backward: (
    gradients: readonly (Tensor | null)[],
    pass: BackwardPass,
  ) => InputGradients;
}

/** Arrays of each type. */
export const ARRAYS = { f32: Float32Array, i32: Int32Array, u32: Uint32Array } as const;

/**
 * A row-major array in device memory. It belongs to the scope that was open when it was made
 * (`device.scope()`) and is freed with it; `keep` moves it one scope out, `dispose` frees it now.
 */
export class Tensor {
  /** Where it lies. */
  readonly device: Device;
  /** Sizes of its dimensions; [] for a scalar. */
  readonly shape: readonly number[];
  /** Type of its elements. */
  readonly dtype: DType;
  /** The bytes this tensor covers. */
  readonly slice: BufferSlice;
  /** Whether `backward` accumulates a gradient for this tensor. Set for parameters. */
  readonly requiresGrad: boolean;
  /** What this tensor was computed from; null for a leaf or when gradients are off. */
  node: TapeNode | null = null;
  /** The accumulated gradient of a leaf with `requiresGrad`, after `backward`. */
  grad: Tensor | null = null;

  /** Used by the functions below; make tensors with `tensor`, `zeros` or an operation. */
  constructor(
    device: Device,
    shape: readonly number[],
    dtype: DType,
    slice: BufferSlice,
    requiresGrad = false,
  ) {
    this.device = device;
    this.shape = shape;
    this.dtype = dtype;
    this.slice = slice;
    this.requiresGrad = requiresGrad;
  }

  /** Elements in all. */
  get size(): number {
    return elements(this.shape);
  }

  /** Rows when seen as a matrix: the product of all dimensions but the last. */
  get rows(): number {
    return elements(this.shape.slice(0, -1));
  }

  /** The last dimension; 1 for a scalar. */
  get cols(): number {
    return this.shape.at(-1) ?? 1;
  }

  /** Whether gradients flow through this tensor. */
  get tracked(): boolean {
    return this.requiresGrad || this.node !== null;
  }

  /** The values, after everything recorded so far. Waits for the device. */
  async data(): Promise<Float32Array> {
    if (this.dtype !== "f32") throw new TypeError(`Cannot read ${this.dtype} values as f32.`);
    return new Float32Array(await this.device.read(this.slice), 0, this.size);
  }

  /** The values of an integer tensor. */
  async integers(): Promise<Int32Array | Uint32Array> {
    if (this.dtype === "f32") throw new TypeError("Cannot read f32 values as integers.");
    return new ARRAYS[this.dtype](await this.device.read(this.slice), 0, this.size);
  }

  /** The value of a one-element tensor. */
  async item(): Promise<number> {
    if (this.size !== 1) {
      throw new TypeError(`Cannot take one value of a tensor of shape ${formatShape(this.shape)}.`);
    }
    return (await this.data())[0];
  }

  /** The same values without history: no gradient flows through. */
  detach(): Tensor {
    return new Tensor(this.device, this.shape, this.dtype, this.slice);
  }

  /** Move to the scope around the present one, so that it outlives it. */
  keep(): this {
    this.slice.buffer.owner?.keep(this.slice.buffer);
    return this;
  }

  /**
   * Take out of all scopes: it lives until it is disposed of, whatever scopes are open and close
   * meanwhile.
   */
  own(): this {
    this.slice.buffer.disown();
    return this;
  }

  /** Free the memory now. Views of the same memory become unusable too. */
  dispose(): void {
    this.slice.buffer.release();
  }

  /**
   * Differentiate: add to `grad` of every leaf with `requiresGrad` the gradient of this tensor,
   * weighted by `gradient` (default 1, for a scalar). Returns the leaves that received one.
   * Reverse-mode over the tape. May be called again, on this tensor or on another of the same
   * graph: gradients add up.
   *
   * @throws {TypeError} Nothing that this was computed from has `requiresGrad`, or gradients were
   * off; or `gradient` does not fit.
   */
  backward(gradient?: Tensor): Set<Tensor> {
    if (!this.tracked) {
      throw new TypeError(
        `Cannot differentiate a tensor of shape ${
          formatShape(this.shape)
        }: nothing it was computed from has ` +
          `requiresGrad, or it was computed while gradients were off (noGrad).`,
      );
    }
    if (!gradient && this.size !== 1) {
      throw new TypeError(
        `Cannot differentiate a tensor of shape ${formatShape(this.shape)} without a gradient.`,
      );
    }
    if (gradient && (gradient.dtype !== "f32" || gradient.device !== this.device)) {
      throw new TypeError(
        `Cannot differentiate with a gradient of ${gradient.dtype} values: expected f32, on the same device.`,
      );
    }
    if (gradient && gradient.size !== this.size) {
      throw new TypeError(
        `Cannot differentiate a tensor of shape ${
          formatShape(this.shape)
        } with a gradient of shape ` +
          `${formatShape(gradient.shape)}.`,
      );
    }
    return backward(this, gradient ?? one(this));
  }
}

/** A new tensor with undefined content: for operations that write all of it. */
export function empty(device: Device, shape: readonly number[], dtype: DType = "f32"): Tensor {
  checkShape(shape);
  const size = elements(shape) * 4;
  return new Tensor(device, shape, dtype, {
    buffer: device.allocate(size, `${dtype}${formatShape(shape)}`),
    offset: 0,
    size,
  });
}

/** The gradient of a scalar itself. */
function one({ device, shape }: Tensor): Tensor {
  const out = empty(device, shape);
  device.write(out.slice, Float32Array.of(1));
  return out;
}

/** A new tensor of zeros. */
export function zeros(device: Device, shape: readonly number[], dtype: DType = "f32"): Tensor {
  const out = empty(device, shape, dtype);
  device.clear(out.slice);
  return out;
}

/** The same memory under another shape; gradients pass through. */
export function reshape(x: Tensor, shape: readonly number[]): Tensor {
  checkShape(shape);
  if (elements(shape) !== x.size) {
    throw new TypeError(`Cannot reshape ${formatShape(x.shape)} to ${formatShape(shape)}.`);
  }
  const out = new Tensor(x.device, shape, x.dtype, x.slice);
  return record("reshape", out, [x], (gradient) => [reshape(gradient, x.shape)]);
}

const gradientsOff = new WeakMap<Device, number>();

/**
 * Until disposed, operations on `device` keep no history: for validation and inference. For a
 * stretch of code that does not wait: whoever computes on the device meanwhile would have no
 * gradients either.
 */
export function noGrad(device: Device): Disposable {
  gradientsOff.set(device, (gradientsOff.get(device) ?? 0) + 1);
  return {
    [Symbol.dispose]() {
      gradientsOff.set(device, gradientsOff.get(device)! - 1);
    },
  };
}

/**
 * Put an operation with several outputs on the tape, unless no input is tracked or gradients are
 * off. Returns `outputs`.
 *
 * @param backward is called once a pass, when every output's gradient is complete; null: that
 * output has none
 */
export function recordAll(
  op: string,
  outputs: readonly Tensor[],
  inputs: readonly Tensor[],
  backward: TapeNode["backward"],
): readonly Tensor[] {
  for (const out of outputs) if (out.device.debug >= 3) watchOutput(op, out);
  if (outputs.length === 0 || gradientsOff.get(outputs[0].device)) return outputs;
  if (!inputs.some((input) => input.tracked)) return outputs;
  const node: TapeNode = { op, inputs, outputs, backward };
  for (const out of outputs) out.node = node;
  return outputs;
}

/** Put an operation on the tape, unless no input is tracked or gradients are off. Returns `out`. */
export function record(
  op: string,
  out: Tensor,
  inputs: readonly Tensor[],
  backward: (gradient: Tensor, pass: BackwardPass) => InputGradients,
): Tensor {
  // One that was only sent for has a gradient of zeros.
  recordAll(
    op,
    [out],
    inputs,
    ([gradient], pass) => backward(gradient ?? zeros(out.device, out.shape), pass),
  );
  return out;
}

/**
 * The operations that made `root`, each after all that read what it made. Without recursion: tapes
 * are deep.
 */
function topological(root: TapeNode): TapeNode[] {
  const order: TapeNode[] = [];
  const seen = new Set<TapeNode>([root]);
  const stack: { node: TapeNode; next: number }[] = [{ node: root, next: 0 }];
  while (stack.length > 0) {
    const top = stack.at(-1)!;
    const input = top.node.inputs[top.next++];
    if (input === undefined) {
      order.push(top.node);
      stack.pop();
    } else if (input.node && !seen.has(input.node)) {
      seen.add(input.node);
      stack.push({ node: input.node, next: 0 });
    }
  }
  return order.reverse();
}

/** Gradients by tensor while they add up. */
class GradientSums {
  readonly #sums = new Map<Tensor, { tensor: Tensor; own: boolean }>();

  add(target: Tensor, value: Tensor): void {
    const sum = this.#sums.get(target);
    if (!sum) {
      this.#sums.set(target, { tensor: value, own: false });
      return;
    }
    if (!sum.own) {
      // The first gradient may be shared with another input: add into a copy.
      const copy = empty(value.device, value.shape);
      value.device.copy(sum.tensor.slice, copy.slice);
      sum.tensor = copy;
      sum.own = true;
    }
    accumulate(value.device, sum.tensor, value);
  }

  /** The gradient of a tensor whose readers are all through; null: it has none. */
  take(target: Tensor): Tensor | null {
    const sum = this.#sums.get(target);
    this.#sums.delete(target);
    return sum?.tensor ?? null;
  }

  /** What is left in the end: leaves, and their gradients. */
  entries(): { leaf: Tensor; gradient: Tensor }[] {
    return [...this.#sums].map(([leaf, { tensor }]) => ({ leaf, gradient: tensor }));
  }
}

function backward(root: Tensor, gradient: Tensor): Set<Tensor> {
  const { device } = root;
  using _ = noGrad(device);
  const sums = new GradientSums();
  sums.add(root, gradient);
  const pass = new BackwardPass();
  for (const node of root.node ? topological(root.node) : []) {
    const own = node.outputs.map((out) => sums.take(out));
    if (own.every((each) => each === null) && !pass.visits(node)) continue;
    node.backward(own, pass).forEach((value, i) => {
      const input = node.inputs[i];
      if (!value || !input.tracked) return;
      if (device.debug >= 3) watchOutput(`the gradient of ${node.op}`, value);
      sums.add(input, value);
    });
  }
  addToLeaves(
    device,
    sums.entries().map(({ leaf, gradient }) => ({ grad: pass.gradientOf(leaf), gradient })),
  );
  return pass.touched;
}
