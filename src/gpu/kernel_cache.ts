/** Kernels that were compiled: each source and its constants once. */

import { compileKernel, type Kernel, type KernelConstants, type KernelSource } from "./kernel.ts";

/**
 * Whether two sources are the same. Those of files are the same strings, which takes no comparing.
 */
function sameSource(a: KernelSource, b: KernelSource): boolean {
  if (typeof a === "string" || typeof b === "string") return a === b;
  return a.length === b.length && a.every((part, i) => part === b[i]);
}

/** The kernels of a device. */
export class KernelCache {
  readonly #gpu: GPUDevice;
  readonly #enableSubgroups: boolean;
  /** By name and constants; each source that goes by them has a kernel of its own. */
  readonly #kernels = new Map<string, { source: KernelSource; kernel: Kernel }[]>();

  /** @param enableSubgroups as `compileKernel` takes it */
  constructor(gpu: GPUDevice, enableSubgroups: boolean) {
    this.#gpu = gpu;
    this.#enableSubgroups = enableSubgroups;
  }

  /**
   * The kernel of a source specialised by `constants`.
   * @param onMade told of it, and of its name with the constants, where it was compiled now
   */
  get(
    name: string,
    source: KernelSource,
    constants: KernelConstants,
    onMade: (kernel: Kernel, key: string) => void,
  ): Kernel {
    let key = name;
    for (const constant in constants) key += ` ${constant}=${constants[constant]}`;
    let made = this.#kernels.get(key);
    if (!made) this.#kernels.set(key, made = []);
    const known = made.find((each) => sameSource(each.source, source));
    if (known) return known.kernel;
    const kernel = compileKernel(this.#gpu, name, source, constants, this.#enableSubgroups);
    made.push({ source, kernel });
    onMade(kernel, key);
    return kernel;
  }
}
