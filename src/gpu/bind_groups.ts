/** Bind groups, made once for the same kernel and the same ranges of the same buffers. */

import type { BufferSlice } from "./buffer_slice.ts";
import type { Kernel } from "./kernel.ts";

/**
 * Groups kept: some steps' worth. Steps of one shape find all of theirs; ragged batches make most
 * of them anew.
 */
const KEPT = 4096;

/**
 * Making a bind group costs 40 µs in Deno, ten times what a look-up does; steps of the same shape
 * get the same buffers from the pool and bind them in the same way. Buffers are told apart by a
 * number of their own, so that a group whose buffer was destroyed is never found again.
 */
export class BindGroups {
  readonly #device: GPUDevice;
  readonly #params: GPUBuffer;
  readonly #groups = new Map<string, GPUBindGroup>();
  readonly #numbers = new WeakMap<object, number>();
  #next = 0;

  /** `params` is where kernels find their parameters, at a dynamic offset. */
  constructor(device: GPUDevice, params: GPUBuffer) {
    this.#device = device;
    this.#params = params;
  }

  /**
   * The group that binds each of the kernel's bindings to its slice of `bind`, and `params` where
   * it has any.
   */
  of(kernel: Kernel, bind: Readonly<Record<string, BufferSlice>>): GPUBindGroup {
    let key = String(this.#number(kernel));
    for (const { name } of kernel.bindings) {
      const { buffer, offset, size } = bind[name];
      key += ` ${this.#number(buffer.gpu)},${offset},${size}`;
    }
    let group = this.#groups.get(key);
    if (!group) {
      if (this.#groups.size === KEPT) this.#groups.clear();
      group = this.#make(kernel, bind);
      this.#groups.set(key, group);
    }
    return group;
  }

  #number(thing: object): number {
    let number = this.#numbers.get(thing);
    if (number === undefined) this.#numbers.set(thing, number = this.#next++);
    return number;
  }

  #make(kernel: Kernel, bind: Readonly<Record<string, BufferSlice>>): GPUBindGroup {
    const entries: GPUBindGroupEntry[] = kernel.bindings.map(({ name, index }) => {
      const { buffer, offset, size } = bind[name];
      return {
        binding: index,
        resource: {
          buffer: buffer.gpu,
          // No bytes are no binding: the buffer's first four stand in, its end may have none left.
          offset: size > 0 ? offset : 0,
          size: Math.max(4, Math.ceil(size / 4) * 4),
        },
      };
    });
    if (kernel.paramsBinding >= 0) {
      entries.push({
        binding: kernel.paramsBinding,
        resource: { buffer: this.#params, offset: 0, size: kernel.paramsSize },
      });
    }
    return this.#device.createBindGroup({ label: kernel.name, layout: kernel.layout, entries });
  }
}
