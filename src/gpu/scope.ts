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
  /** The scope that frees it; null when its owner disposes of it. */
  owner: Scope | null = null;
  #released = false;

  /** Used by `Device.allocate`. */
  constructor(buffer: PooledBuffer, label: string) {
    this.gpu = buffer.gpu;
    this.size = buffer.size;
    this.label = label;
  }

  /** Whether its memory went back to the pool. */
  get released(): boolean {
    return this.#released;
  }

  /** Hand the memory back to the pool. Twice is harmless. */
  release(pool: BufferPool): void {
    if (this.#released) return;
    this.#released = true;
    this.owner?.forget(this);
    this.owner = null;
    pool.release(this);
  }
}

/** Opened by `device.scope()`, closed by `using`. Scopes nest; they close in reverse order. */
export class Scope implements Disposable {
  readonly #buffers = new Set<OwnedBuffer>();
  readonly #parent: Scope | null;
  readonly #close: (parent: Scope | null) => void;
  readonly #pool: BufferPool;
  #closed = false;

  /** Used by `Device.scope`. */
  constructor(pool: BufferPool, parent: Scope | null, close: (parent: Scope | null) => void) {
    this.#pool = pool;
    this.#parent = parent;
    this.#close = close;
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
    this.#parent?.adopt(buffer);
  }

  /** Free everything that was allocated in this scope and not kept. */
  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const buffer of [...this.#buffers]) buffer.release(this.#pool);
    this.#close(this.#parent);
  }
}
