/** GPU buffers by size class, with an account of every live byte. */

import { DeviceError, formatBytes } from "./errors.ts";

/** A pooled buffer. `size` is what was asked for; the buffer behind it may be larger. */
export interface PooledBuffer {
  /** WebGPU's own buffer. */
  readonly gpu: GPUBuffer;
  /** Bytes asked for. */
  readonly size: number;
}

/** Bytes a pool accounts for. */
export interface PoolUsage {
  /** In use now. */
  readonly live: number;
  /** Buffers in use now. */
  readonly buffers: number;
  /** Kept free for reuse. */
  readonly free: number;
  /** Most that was held at once, in use or free: what the device had to have. */
  readonly peak: number;
}

const USAGE = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST |
  GPUBufferUsage.UNIFORM | GPUBufferUsage.INDIRECT;
const SMALLEST = 256;
/**
 * A free buffer serves requests down to one such part of it: levels of a tree ask for many sizes,
 * one after the other.
 */
const LARGER = 3;
/** Ticks (training steps) that a free buffer is kept unused. */
const IDLE_TICKS = 8;

/**
 * Round up to a quarter step between powers of two: at most a fifth is wasted, few classes exist.
 */
export function sizeClass(bytes: number): number {
  if (bytes <= SMALLEST) return SMALLEST;
  const quarter = 2 ** (Math.ceil(Math.log2(bytes)) - 3);
  return Math.ceil(bytes / quarter) * quarter;
}

interface FreeBuffer {
  gpu: GPUBuffer;
  tick: number;
}

/**
 * Allocates storage buffers. GPU memory is invisible to the garbage collector, so whoever acquires
 * releases (tensors do it through scopes). Commands run in the order they are recorded, so a
 * released buffer can be handed out again at once: the next writer runs after the last reader.
 */
export class BufferPool {
  readonly #device: GPUDevice;
  readonly #maxBytes: number;
  readonly #flush: () => void;
  readonly #free = new Map<number, FreeBuffer[]>();
  #live = 0;
  #liveCount = 0;
  #held = 0;
  #peak = 0;
  #tick = 0;
  /** The largest recent request, named when the device says it is out of memory. */
  lastLarge = { bytes: 0, label: "" };

  /**
   * `flush` submits recorded commands: they may still use a free buffer, so it is called before any
   * is destroyed.
   */
  constructor(device: GPUDevice, maxBytes: number, flush: () => void) {
    this.#device = device;
    this.#maxBytes = maxBytes;
    this.#flush = flush;
  }

  /**
   * A buffer of at least `bytes` bytes. Its content is whatever was there before.
   * @param fits which free buffers will do; default all
   */
  acquire(bytes: number, label: string, fits?: (gpu: GPUBuffer) => boolean): PooledBuffer {
    const size = sizeClass(Math.max(bytes, 4));
    if (bytes > this.#maxBytes) {
      throw new DeviceError(
        `Cannot allocate ${label}: ${formatBytes(bytes)} asked for, the device allows ` +
          `${formatBytes(this.#maxBytes)} in one buffer. Use a smaller batch or smaller scenes.`,
      );
    }
    let gpu = this.#takeFree(size, fits);
    if (!gpu) {
      if (bytes > this.lastLarge.bytes / 4) this.lastLarge = { bytes, label };
      gpu = this.#device.createBuffer({
        size: Math.min(size, this.#maxBytes),
        usage: USAGE,
        label,
      });
      this.#held += gpu.size;
      this.#peak = Math.max(this.#peak, this.#held);
    }
    this.#live += gpu.size;
    this.#liveCount++;
    return { gpu, size: bytes };
  }

  /** The smallest free buffer of at least `size` bytes that isn't far too large. */
  #takeFree(size: number, fits?: (gpu: GPUBuffer) => boolean): GPUBuffer | null {
    let best = Infinity;
    let place = -1;
    for (const [held, list] of this.#free) {
      if (held < size || held > LARGER * size || held >= best) continue;
      const last = fits ? list.findLastIndex(({ gpu }) => fits(gpu)) : list.length - 1;
      if (last < 0) continue;
      best = held;
      place = last;
    }
    return place < 0 ? null : this.#free.get(best)!.splice(place, 1)[0].gpu;
  }

  /** Give a buffer back. Its later content is undefined. */
  release(buffer: PooledBuffer): void {
    const key = buffer.gpu.size;
    this.#live -= buffer.gpu.size;
    this.#liveCount--;
    const list = this.#free.get(key);
    const entry = { gpu: buffer.gpu, tick: this.#tick };
    if (list) list.push(entry);
    else this.#free.set(key, [entry]);
  }

  /**
   * Once a step: destroy what has lain unused for some steps, so that ragged batches do not pile
   * up.
   */
  tick(): void {
    this.#tick++;
    this.#destroyFree((entry) => this.#tick - entry.tick > IDLE_TICKS);
  }

  /** Destroy all free buffers now. */
  trim(): void {
    this.#destroyFree(() => true);
  }

  #destroyFree(which: (entry: FreeBuffer) => boolean): void {
    if (![...this.#free.values()].some((list) => list.some(which))) return;
    this.#flush();
    for (const [size, list] of this.#free) {
      const kept = list.filter((entry) => {
        if (!which(entry)) return true;
        this.#held -= entry.gpu.size;
        entry.gpu.destroy();
        return false;
      });
      if (kept.length === 0) this.#free.delete(size);
      else this.#free.set(size, kept);
    }
  }

  /** Bytes and buffers held now. */
  get usage(): PoolUsage {
    return {
      live: this.#live,
      buffers: this.#liveCount,
      free: this.#held - this.#live,
      peak: this.#peak,
    };
  }

  /** Start a new measurement of the peak. */
  resetPeak(): void {
    this.#peak = this.#held;
  }
}
