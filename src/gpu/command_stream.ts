/** Commands of a device in the order in which they were recorded, submitted some at a time. */

import { BindGroups } from "./bind_groups.ts";
import type { BufferSlice } from "./buffer_slice.ts";
import type { Kernel, KernelParams } from "./kernel.ts";

const ARENA_BYTES = 1 << 20;
/** Most bytes of a kernel's parameters. */
const MOST_PARAMS = 1024;
/** Dispatches after which the device gets to work while the rest of a step is recorded. */
const SUBMIT_AFTER = 48;

/** Workgroups along three axes, or where the device itself has written them. */
export type GroupCounts = readonly [number, number, number] | BufferSlice;

/** What a benchmark reports. */
export interface StreamCounters {
  /** Kernels run. */
  dispatches: number;
  /** Submissions to the queue. */
  submissions: number;
}

const wholeWords = (bytes: number) => Math.ceil(bytes / 4) * 4;

/**
 * Records dispatches, copies and fills; parameters of dispatches go into one buffer, written with
 * each submission.
 */
export class CommandStream {
  /** Counted since the stream was made. */
  readonly counters: StreamCounters = { dispatches: 0, submissions: 0 };
  readonly #gpu: GPUDevice;
  readonly #onFlush: () => void;
  /** Buffers that commands recorded since the last submission use. */
  readonly #inUse = new Set<GPUBuffer>();
  /** Dispatches recorded since then. */
  #recorded = 0;
  #encoder: GPUCommandEncoder | null = null;
  #pass: GPUComputePassEncoder | null = null;
  readonly #bindGroups: BindGroups;
  readonly #arena: GPUBuffer;
  readonly #arenaData = new DataView(new ArrayBuffer(ARENA_BYTES));
  #arenaUsed = 0;

  /** @param onFlush called when what was recorded is submitted */
  constructor(gpu: GPUDevice, onFlush: () => void) {
    this.#gpu = gpu;
    this.#onFlush = onFlush;
    this.#arena = gpu.createBuffer({
      label: "parameters",
      size: ARENA_BYTES,
      usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST,
    });
    this.#bindGroups = new BindGroups(gpu, this.#arena);
  }

  /** Whether recorded commands that are not submitted use a buffer. */
  uses(buffer: GPUBuffer): boolean {
    return this.#inUse.has(buffer);
  }

  #commands(): GPUCommandEncoder {
    return this.#encoder ??= this.#gpu.createCommandEncoder();
  }

  #endPass(): void {
    this.#pass?.end();
    this.#pass = null;
  }

  #uniform(kernel: Kernel, params: KernelParams): number {
    const offset = this.#arenaUsed;
    kernel.packParams(params, this.#arenaData, offset);
    this.#arenaUsed = offset + Math.ceil(kernel.paramsSize / 256) * 256;
    return offset;
  }

  /** Makes room for a dispatch, so that what follows is one submission. */
  prepare(): void {
    if (this.#arenaUsed + MOST_PARAMS > ARENA_BYTES) this.flush();
  }

  /** Record one dispatch; with `timestampWrites` in a pass of its own. */
  dispatch(
    kernel: Kernel,
    bind: Readonly<Record<string, BufferSlice>>,
    params: KernelParams,
    size: GroupCounts,
    timestampWrites?: GPUComputePassTimestampWrites,
  ): void {
    for (const { name } of kernel.bindings) this.#inUse.add(bind[name].buffer.gpu);
    const offsets = kernel.paramsBinding >= 0 ? [this.#uniform(kernel, params)] : [];
    if (timestampWrites) this.#endPass();
    this.#pass ??= this.#commands().beginComputePass({ timestampWrites });
    this.#pass.setPipeline(kernel.pipeline);
    this.#pass.setBindGroup(0, this.#bindGroups.of(kernel, bind), offsets);
    if ("buffer" in size) {
      this.#inUse.add(size.buffer.gpu);
      this.#pass.dispatchWorkgroupsIndirect(size.buffer.gpu, size.offset);
    } else this.#pass.dispatchWorkgroups(...size);
    if (timestampWrites) this.#endPass();
    this.counters.dispatches++;
    if (++this.#recorded >= SUBMIT_AFTER) this.flush();
  }

  /** Record a copy of whole words. */
  copy(source: BufferSlice, target: BufferSlice): void {
    this.copyTo(source, target.buffer.gpu, target.offset);
  }

  /** Record a copy of whole words to a place in a buffer. */
  copyTo({ buffer, offset, size }: BufferSlice, target: GPUBuffer, targetOffset: number): void {
    this.#endPass();
    this.#inUse.add(buffer.gpu).add(target);
    const bytes = wholeWords(size);
    this.#commands().copyBufferToBuffer(buffer.gpu, offset, target, targetOffset, bytes);
  }

  /** Record filling with zeros. */
  clear({ buffer, offset, size }: BufferSlice): void {
    this.#endPass();
    this.#inUse.add(buffer.gpu);
    this.#commands().clearBuffer(buffer.gpu, offset, wholeWords(size));
  }

  /** Submit what was recorded. Returns at once. */
  flush(): void {
    if (!this.#encoder) return;
    this.#endPass();
    if (this.#arenaUsed > 0) {
      // Ordered after earlier submissions, so the one arena serves them all.
      this.#gpu.queue.writeBuffer(this.#arena, 0, this.#arenaData.buffer, 0, this.#arenaUsed);
      this.#arenaUsed = 0;
    }
    const encoder = this.#encoder;
    // First, so that a submission that fails is not tried again.
    this.#encoder = null;
    this.#inUse.clear();
    this.#recorded = 0;
    this.#onFlush();
    this.#gpu.queue.submit([encoder.finish()]);
    this.counters.submissions++;
  }

  /** Ends what is being recorded; nothing more is. */
  close(): void {
    this.#endPass();
  }
}
