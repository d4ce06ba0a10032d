/** Gradients added up in place. */

import accumulateWgsl from "../../shaders/tensor/accumulate.wgsl" with { type: "text" };
import addGradientsWgsl from "../../shaders/tensor/add_gradients.wgsl" with { type: "text" };
import type { BufferSlice, Device } from "../gpu/device.ts";
import type { OwnedBuffer } from "../gpu/scope.ts";

/** f32 values on a device. */
interface Values {
  readonly size: number;
  readonly slice: BufferSlice;
}

/** A leaf's gradient so far, and what is to be added to it. */
interface LeafGradient {
  readonly grad: Values;
  readonly gradient: Values;
}

/** target += gradient, in place. */
export function accumulate(device: Device, target: Values, gradient: Values): void {
  device.runRows(device.kernel("accumulate", accumulateWgsl), {
    rows: target.size,
    rowsPerGroup: 256,
    byRow: { target_values: [target.slice, 4], gradient: [gradient.slice, 4] },
  });
}

/**
 * Leaves whose gradients are added by one dispatch: with the target, as many buffers as every
 * device binds.
 */
const TOGETHER = 7;

/**
 * grad += gradient of leaves. Those whose `grad` lie in one buffer, as a `ParameterSet`'s do, share
 * dispatches.
 */
export function addToLeaves(device: Device, leaves: readonly LeafGradient[]): void {
  const byBuffer = Map.groupBy(leaves, ({ grad }) => grad.slice.buffer);
  for (const [buffer, own] of byBuffer) {
    if (own.length === 1 || buffer.size > device.maxBindingBytes) {
      for (const { grad, gradient } of own) accumulate(device, grad, gradient);
      continue;
    }
    for (let first = 0; first < own.length; first += TOGETHER) {
      addTogether(device, buffer, own.slice(first, first + TOGETHER));
    }
  }
}

function addTogether(device: Device, buffer: OwnedBuffer, leaves: readonly LeafGradient[]): void {
  const count = leaves.length;
  const bind: Record<string, BufferSlice> = {
    gradients: { buffer, offset: 0, size: buffer.size },
  };
  const params: Record<string, number> = {};
  leaves.forEach(({ grad, gradient }, k) => {
    bind[`gradient_${k}`] = gradient.slice;
    params[`first_${k}`] = grad.slice.offset / 4;
    params[`size_${k}`] = grad.size;
  });
  const constants = { COUNT: count };
  device.run(
    device.kernel("add_gradients", addGradientsWgsl, constants),
    bind,
    params,
    [Math.ceil(Math.max(...leaves.map(({ grad }) => grad.size)) / 256), count, 1],
  );
}
