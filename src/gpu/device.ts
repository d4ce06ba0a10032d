/** The device: adapter limits, buffers, kernels, and one ordered stream of commands. */

import { warn } from "../base/terminal.ts";
import { type DeviceKind, findAdapter } from "./adapter.ts";
import { lanesOf, listsSubgroups, openDevice } from "./open_device.ts";
import { type BufferSlice, rowsOf } from "./buffer_slice.ts";
import { BufferPool, type PooledBuffer } from "./buffer_pool.ts";
import { CommandStream, type StreamCounters } from "./command_stream.ts";
import { debugLevel, type DeviceOptions } from "./device_options.ts";
import { DeviceError, formatBytes } from "./errors.ts";
import { failureOf } from "./failure.ts";
import {
  checkBindings,
  grid,
  type Kernel,
  type KernelConstants,
  type KernelParams,
  type KernelSource,
} from "./kernel.ts";
import { KernelCache } from "./kernel_cache.ts";
import { OwnedBuffer, Scope } from "./scope.ts";

export { type BufferSlice, rowsOf } from "./buffer_slice.ts";
export type { DeviceOptions } from "./device_options.ts";

/** How many workgroups: along one axis, along three, or as the device itself has written. */
export type DispatchGroups = number | readonly [number, number, number] | BufferSlice;

/** A row-parallel dispatch, see `Device.runRows`. */
export interface RowDispatch {
  /** Rows in all. */
  readonly rows: number;
  /** Rows one workgroup handles. */
  readonly rowsPerGroup: number;
  /** Bindings that advance with the rows: name → slice and bytes per row. */
  readonly byRow: Readonly<Record<string, readonly [BufferSlice, number]>>;
  /** Bindings every row sees whole. */
  readonly whole?: Readonly<Record<string, BufferSlice>>;
  /** Parameters besides `rows`, which is the window's count, and `first_row`, its first row. */
  readonly params?: KernelParams;
}

/**
 * Bytes of uploads between two submissions that rather take new memory than wait for commands that
 * use the old.
 */
const UPLOAD_BYTES = 1 << 20;
/** Kernels named in a message. */
const RECENT = 12;

/**
 * One GPU (or software) device. Commands are recorded in order and submitted by `flush`, `read` or
 * `sync`; errors of the device surface at the next `read`, `sync` or `check`, never silently.
 */
export class Device implements Disposable {
  /** WebGPU's own device. */
  readonly gpu: GPUDevice;
  /** A real GPU, or a device that runs on the processor. */
  readonly kind: DeviceKind;
  /** The adapter's own name. */
  readonly name: string;
  /** The adapter's own limits, all of which were asked for. */
  readonly limits: GPUSupportedLimits;
  /** Optional features that were had: timestamp-query, on the software device subgroups. */
  readonly features: GPUSupportedFeatures;
  /**
   * How many neighbouring invocations can shuffle values (subgroupShuffle) and gain by it, 0
   * where none: on Mesa's software device a load costs many times a multiply-add, so that lanes
   * rather load different values and pass them on.
   */
  readonly lanes: 0 | 8 | 16;
  /** Where buffers come from; `pool.usage` tells how many bytes live. */
  readonly pool: BufferPool;
  /** 0 to 3, as in `DeviceOptions`. */
  readonly debug: number;
  /** Largest binding in bytes. */
  readonly maxBindingBytes: number;
  /**
   * Called by `read` and `sync` when what was recorded is done; they throw what it throws. For
   * checks of results.
   */
  afterWait: (() => Promise<void>) | null = null;
  /**
   * Sees each dispatch before it is recorded; timestamps that it returns are written around it, in
   * a pass of its own. For benchmarks: passes cost time.
   */
  onDispatch:
    | ((
      kernel: Kernel,
      bind: Readonly<Record<string, BufferSlice>>,
      params: KernelParams,
    ) => GPUComputePassTimestampWrites | undefined)
    | null = null;

  /** Sees each kernel when it is compiled. For tests of what kernels ask of a device. */
  onKernel: ((kernel: Kernel) => void) | null = null;

  #failure: Error | null = null;
  /** The kernels dispatched last, latest at the end: the device's messages seldom name one. */
  readonly #recent = new Set<string>();
  #closed = false;
  /** Open scopes, the innermost last. */
  readonly #scopes: Scope[] = [];
  /** Bytes uploaded since the last submission. */
  #uploaded = 0;
  readonly #stream: CommandStream;
  readonly #kernels: KernelCache;

  private constructor(
    gpu: GPUDevice,
    kind: DeviceKind,
    name: string,
    options: DeviceOptions,
    enableSubgroups: boolean,
  ) {
    this.gpu = gpu;
    this.kind = kind;
    this.name = name;
    this.limits = gpu.limits;
    this.features = gpu.features;
    this.lanes = lanesOf(gpu, kind);
    this.debug = options.debug ?? debugLevel();
    this.maxBindingBytes = Math.min(
      options.maxBindingBytes ?? Infinity,
      gpu.limits.maxStorageBufferBindingSize,
    );
    this.pool = new BufferPool(gpu, gpu.limits.maxBufferSize, () => this.flush());
    this.#kernels = new KernelCache(gpu, enableSubgroups);
    this.#stream = new CommandStream(gpu, () => this.#uploaded = 0);
    if (this.debug >= 1) {
      warn(`[dbbd] ${this.description}, ${formatBytes(this.maxBindingBytes)} a binding`);
    }
    gpu.addEventListener("uncapturederror", (event) => {
      event.preventDefault();
      this.#fail((event as GPUUncapturedErrorEvent).error);
    });
    gpu.lost.then((info) => {
      if (this.#closed) return;
      this.#failure ??= new DeviceError(
        `The device was lost (${info.reason}): ${info.message || "no reason given"}.`,
      );
    });
  }

  /** Take a device. Throws `NoDeviceError` when there is none of the kind asked for. */
  static async create(options: DeviceOptions = {}): Promise<Device> {
    const { adapter, kind } = await findAdapter(options.request ?? "auto");
    const gpu = await openDevice(adapter, kind, options.limits);
    const { description, device, architecture, vendor } = adapter.info;
    const name = description || [vendor, architecture, device].filter(Boolean).join(" ") ||
      "unnamed adapter";
    return new Device(gpu, kind, name, options, listsSubgroups(adapter));
  }

  /** Counters since the device was made: what a benchmark reports. */
  get counters(): Readonly<StreamCounters> {
    return this.#stream.counters;
  }

  /** Whether there are `lanes` that shuffle values. */
  get shuffles(): boolean {
    return this.lanes > 0;
  }

  /** The line a program prints first: what it runs on. */
  get description(): string {
    return `${this.name} (${this.kind === "gpu" ? "GPU" : "software device"})`;
  }

  #fail(error: GPUError): void {
    if (this.#failure) return;
    const recent = [...this.#recent].reverse();
    this.#failure = failureOf(error, this.pool, recent);
  }

  /** Throw what has gone wrong so far, if anything has. */
  check(): void {
    if (this.#failure) throw this.#failure;
    if (this.#closed) throw new DeviceError("The device is closed.");
  }

  /** Open a scope: what is allocated until it closes is freed with it. */
  scope(): Scope {
    return new Scope(this.#scopes);
  }

  /**
   * A buffer with undefined content, owned by the innermost scope, or with `scoped` false by the
   * caller, who releases it.
   */
  allocate(bytes: number, label: string, scoped = true): OwnedBuffer {
    return this.#own(this.pool.acquire(bytes, label), label, scoped);
  }

  /**
   * The same, for what is written next: up to a megabyte a submission in buffers that nothing
   * recorded uses.
   */
  allocateUnused(bytes: number, label: string): OwnedBuffer {
    this.#uploaded += bytes;
    const unused = this.#uploaded <= UPLOAD_BYTES
      ? (gpu: GPUBuffer) => !this.#stream.uses(gpu)
      : undefined;
    return this.#own(this.pool.acquire(bytes, label, unused), label, true);
  }

  #own(pooled: PooledBuffer, label: string, scoped: boolean): OwnedBuffer {
    const buffer = new OwnedBuffer(pooled, label, this.pool);
    if (scoped) this.#scopes.at(-1)?.adopt(buffer);
    return buffer;
  }

  /**
   * Compile `source` specialised by `constants`, or give the kernel compiled before from this
   * source and constants under this name.
   */
  kernel(name: string, source: KernelSource, constants: KernelConstants = {}): Kernel {
    return this.#kernels.get(name, source, constants, (kernel, key) => {
      if (this.debug >= 2) warn(`[dbbd] kernel ${key}`);
      this.onKernel?.(kernel);
    });
  }

  /** Throws unless a slice is of this device and its memory is still its own. */
  #require({ buffer }: BufferSlice, use: () => string): void {
    if (buffer.pool !== this.pool) {
      throw new Error(
        `${use()}: ${buffer.label} lies on another device. Read its values and make it anew on this one.`,
      );
    }
    if (buffer.released) {
      throw new Error(`${use()}: ${buffer.label} is used after its scope ended.`);
    }
  }

  /** Throws unless a binding is of this device, alive, and no larger than the device takes. */
  #requireBinding(kernel: Kernel, name: string, slice: BufferSlice): void {
    this.#require(slice, () => `Cannot bind ${name} of kernel ${kernel.name}`);
    if (slice.size <= this.maxBindingBytes) return;
    throw new DeviceError(
      `Cannot bind ${formatBytes(slice.size)} as ${name} of ${kernel.name}: the device allows ` +
        `${formatBytes(this.maxBindingBytes)}. Use a smaller batch or smaller scenes.`,
    );
  }

  #remember({ name }: Kernel): void {
    this.#recent.delete(name);
    this.#recent.add(name);
    if (this.#recent.size > RECENT) this.#recent.delete(this.#recent.values().next().value!);
  }

  /**
   * Record one dispatch. `bind` names every binding of the shader but `params`. `groups` is a
   * workgroup count along one axis (folded into two dimensions where the device's limit asks for
   * it), [x, y, z], or three words in device memory. No groups, no dispatch.
   */
  run(
    kernel: Kernel,
    bind: Readonly<Record<string, BufferSlice>>,
    params: KernelParams,
    groups: DispatchGroups,
  ): void {
    const size = typeof groups === "number"
      ? [...grid(groups, this.limits.maxComputeWorkgroupsPerDimension), 1] as const
      : groups;
    if ("length" in size && size.includes(0)) return;
    checkBindings(kernel, bind);
    const timestampWrites = this.onDispatch?.(kernel, bind, params);
    this.#stream.prepare();
    this.#remember(kernel);
    for (const { name } of kernel.bindings) this.#requireBinding(kernel, name, bind[name]);
    this.#stream.dispatch(kernel, bind, params, size, timestampWrites);
    if (this.debug >= 2) {
      const sizes = kernel.bindings.map(({ name }) => `${name} ${formatBytes(bind[name].size)}`);
      warn(
        `[dbbd] ${kernel.name} ${"buffer" in size ? "[indirect]" : `[${size}]`} ` +
          `${JSON.stringify(params)} ${sizes.join(", ")}`,
      );
    }
  }

  /**
   * Record a row-parallel dispatch, cut into windows of rows where a binding would pass the
   * device's limit. The kernel's `Params` has `rows`, and `first_row` if it needs to know where a
   * window starts. Windows begin at multiples of 64 rows, which keeps every offset aligned.
   */
  runRows(kernel: Kernel, dispatch: RowDispatch): void {
    const { rows, rowsPerGroup, byRow, whole = {}, params = {} } = dispatch;
    const widest = Math.max(4, ...Object.values(byRow).map(([, rowBytes]) => rowBytes));
    const windowRows = rows * widest <= this.maxBindingBytes
      ? rows
      : Math.floor(this.maxBindingBytes / widest / 64) * 64;
    if (windowRows === 0 && rows > 0) {
      throw new DeviceError(`Cannot bind 64 rows of ${formatBytes(widest)} for ${kernel.name}.`);
    }
    for (let first = 0; first < rows; first += windowRows) {
      const count = Math.min(windowRows, rows - first);
      const bind: Record<string, BufferSlice> = { ...whole };
      for (const [name, [slice, rowBytes]] of Object.entries(byRow)) {
        bind[name] = rowsOf(slice, first, count, rowBytes);
      }
      const window: KernelParams = kernel.paramNames.includes("first_row")
        ? { ...params, rows: count, first_row: first }
        : { ...params, rows: count };
      this.run(kernel, bind, window, Math.ceil(count / rowsPerGroup));
    }
  }

  /** Record a copy between buffers. Sizes and offsets are multiples of 4. */
  copy(source: BufferSlice, target: BufferSlice): void {
    if (source.size === 0) return;
    this.#require(source, () => "Cannot copy");
    this.#require(target, () => "Cannot copy");
    this.#stream.copy(source, target);
  }

  /** Record filling with zeros. */
  clear(target: BufferSlice): void {
    if (target.size === 0) return;
    this.#require(target, () => "Cannot clear");
    this.#stream.clear(target);
  }

  /** Write from the CPU, after everything recorded so far. */
  write(target: BufferSlice, data: ArrayBufferView): void {
    if (data.byteLength === 0) return;
    this.#require(target, () => "Cannot write");
    // A write comes before everything not yet submitted: that has to go first where it uses the
    // buffer.
    if (this.#stream.uses(target.buffer.gpu)) this.flush();
    // A view on a SharedArrayBuffer is not accepted by writeBuffer; typed arrays here never are
    // one.
    this.gpu.queue.writeBuffer(
      target.buffer.gpu,
      target.offset,
      data.buffer as ArrayBuffer,
      data.byteOffset,
      data.byteLength,
    );
  }

  /** Submit what was recorded. Returns at once. */
  flush(): void {
    this.#stream.flush();
  }

  /** Bytes of a buffer after everything recorded so far. Waits for the device. */
  async read(source: BufferSlice): Promise<ArrayBuffer> {
    this.#require(source, () => "Cannot read");
    const size = Math.ceil(source.size / 4) * 4;
    if (size === 0) {
      await this.sync();
      return new ArrayBuffer(0);
    }
    const staging = this.gpu.createBuffer({
      label: "read",
      size,
      usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
    });
    try {
      this.#stream.copyTo(source, staging, 0);
      this.flush();
      const failure = await staging.mapAsync(GPUMapMode.READ).then(() => null, (error) => error);
      // The device's own account of what went wrong, where it gives one, tells more than a map that
      // failed.
      await this.#settle();
      if (failure) throw failure;
      return staging.getMappedRange().slice(0);
    } finally {
      staging.destroy();
    }
  }

  /** Wait until the device has done everything recorded so far, and throw if any of it failed. */
  async sync(): Promise<void> {
    this.flush();
    await this.gpu.queue.onSubmittedWorkDone();
    await this.#settle();
  }

  /**
   * Throw what failed. Errors are delivered as tasks of the event loop; let those that wait arrive
   * first.
   */
  async #settle(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, 0));
    this.check();
    await this.afterWait?.();
  }

  /** Free the device and all its memory. */
  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#stream.close();
    this.pool.trim();
    this.gpu.destroy();
  }
}
