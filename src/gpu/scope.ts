/** Scopes: what is allocated while a scope is open is freed when it closes, by nobody's hand. */

import type { BufferPool, PooledBuffer } from "./buffer_pool.ts";

/** A buffer with an owner: the innermost scope open when it was allocated, or whoever kept it. */
export class OwnedBuffer implements PooledBuffer {
  /** WebGPU's own buffer. */
  readonly gpu: GPUBuffer;
  /** Bytes asked for; the buffer behind it may be larger. */
  readonly size: number;
  /** Names it in messages. */
  readonly label: string;
  /** Where its memory comes from: each device has a pool of its own. */
  readonly pool: BufferPool;
  /** The scope that frees it; null when its owner disposes of it. */
  owner: Scope | null = null;
  #released = false;

  /** Used by `Device.allocate`. */
  constructor(buffer: PooledBuffer, label: string, pool: BufferPool) {
    this.gpu = buffer.gpu;
    this.size = buffer.size;
    this.label = label;
    this.pool = pool;
  }

  /** Whether its memory went back to the pool. */
  get released(): boolean {
    return this.#released;
  }

  /** Take it out of its scope: whoever does so releases it. */
  disown(): void {
    this.owner?.forget(this);
    this.owner = null;
  }

  /** Hand the memory back to the pool. Twice is harmless. */
  release(): void {
    if (this.#released) return;
    this.#released = true;
    this.disown();
    this.pool.release(this);
  }
}

/**
 * Opened by `device.scope()`, closed by `using`. Scopes nest: they close in reverse order. One that
 * is held while something is awaited adopts what others compute on the device meanwhile, so let a
 * scope end before its function waits where that can be.
 */
export class Scope implements Disposable {
  readonly #buffers = new Set<OwnedBuffer>();
  readonly #stack: Scope[];
  #closed = false;

  /** Used by `Device.scope`. `stack` holds the device's open scopes, the innermost last. */
  constructor(stack: Scope[]) {
    this.#stack = stack;
    stack.push(this);
  }

  /** Take over a buffer. */
  adopt(buffer: OwnedBuffer): void {
    buffer.owner = this;
    this.#buffers.add(buffer);
  }

  /** Let go of a buffer without freeing it. */
  forget(buffer: OwnedBuffer): void {
    this.#buffers.delete(buffer);
  }

  /** Move a buffer to the scope around this one (or to its holder where there is none). */
  keep(buffer: OwnedBuffer): void {
    if (buffer.owner !== this) return;
    this.forget(buffer);
    buffer.owner = null;
    this.#stack[this.#stack.indexOf(this) - 1]?.adopt(buffer);
  }

  /**
   * Free everything that was allocated in this scope and not kept.
   *
   * @throws {Error} A scope that was opened later is still open: work that waits in between has
   * mixed with other work.
   */
  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const buffer of [...this.#buffers]) buffer.release();
    const place = this.#stack.indexOf(this);
    const later = this.#stack.length - 1 - place;
    this.#stack.splice(place, 1);
    if (later === 0) return;
    throw new Error(
      `A scope of the device was closed while ${later} opened after it ${
        later === 1 ? "was" : "were"
      } still open: ` +
        `what was computed in between may lie in the wrong one. Scopes close in reverse order; work that awaits inside ` +
        `a scope cannot take turns with other work on the same device. End the scope before awaiting, or await one after the other.`,
    );
  }
}
