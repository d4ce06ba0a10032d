/** Tensors made of values. */

import type { Device } from "../gpu/device.ts";
import { checkShape, elements, formatShape } from "./shapes.ts";
import { ARRAYS, type DType, Tensor, type TensorData } from "./tensor.ts";

/** A new f32 tensor with every element `value`. */
export function full(device: Device, shape: readonly number[], value: number): Tensor {
  checkShape(shape);
  return tensor(device, new Float32Array(elements(shape)).fill(value), shape);
}

function dtypeOf(data: TensorData): DType {
  const dtype = (["f32", "i32", "u32"] as const).find((each) => data instanceof ARRAYS[each]);
  if (dtype) return dtype;
  throw new TypeError(
    `Cannot make a tensor of ${
      (data as object | null)?.constructor?.name ?? String(data)
    }: expected numbers, Float32Array, Int32Array or Uint32Array.`,
  );
}

/**
 * A new tensor with a copy of `data`.
 * @param shape default one-dimensional
 */
export function tensor(
  device: Device,
  data: TensorData | readonly number[],
  shape: readonly number[] = [data.length],
  options: { requiresGrad?: boolean } = {},
): Tensor {
  const values: TensorData = Array.isArray(data) ? Float32Array.from(data) : data as TensorData;
  const dtype = dtypeOf(values);
  checkShape(shape);
  if (elements(shape) !== values.length) {
    throw new TypeError(
      `Cannot make a tensor of shape ${formatShape(shape)} from ${values.length} values.`,
    );
  }
  if (options.requiresGrad && dtype !== "f32") {
    throw new TypeError(`Cannot give ${dtype} values a gradient: expected f32.`);
  }
  const size = values.byteLength;
  const buffer = device.allocateUnused(size, `${dtype}${formatShape(shape)}`);
  const out = new Tensor(device, shape, dtype, { buffer, offset: 0, size });
  device.write(out.slice, values);
  return options.requiresGrad ? new Tensor(device, shape, out.dtype, out.slice, true) : out;
}
