/** One trip to the device and back, in a way that many can be under way at the same time. */

import type { Device } from "../../gpu/device.ts";
import { type Tensor, tensor, type TensorData } from "../../tensor/mod.ts";

/**
 * Records what `record` computes and gives the values of the tensors it returns. Everything it made
 * is freed. A trip takes some milliseconds however little it computes: small fits gain from being
 * awaited together.
 */
export async function compute(
  device: Device,
  record: () => readonly Tensor[],
): Promise<Float32Array[]> {
  const { buffer, sizes } = recordInto(device, record);
  try {
    const values = await device.read({ buffer, offset: 0, size: 4 * sizes.at(-1)!.end });
    return sizes.map(({ first, end }) => new Float32Array(values, 4 * first, end - first));
  } finally {
    buffer.release();
  }
}

/** The scope closes before anything waits, so that scopes of several computations nest. */
function recordInto(device: Device, record: () => readonly Tensor[]) {
  using _ = device.scope();
  const results = record();
  let end = 0;
  const sizes = results.map(({ size }) => ({ first: end, end: end += size }));
  const buffer = device.allocate(4 * end, "results of heads", false);
  results.forEach(({ slice, size }, i) =>
    device.copy(slice, { buffer, offset: 4 * sizes[i].first, size: 4 * size })
  );
  return { buffer, sizes };
}

/** A tensor that lives until it is disposed of. */
export function hold(device: Device, data: TensorData, shape: readonly number[]): Tensor {
  return tensor(device, data, shape).own();
}
