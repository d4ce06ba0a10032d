/**
 * What a benchmark learns by watching dispatches: how long each takes, and how many rows a backward
 * pass goes over.
 */

import peakWgsl from "../shaders/bench/fma_peak.wgsl" with { type: "text" };
import type { Device } from "../src/gpu/device.ts";
import type { OwnedBuffer } from "../src/gpu/scope.ts";
import { empty } from "../src/tensor/mod.ts";
import { timed } from "./support.ts";

/** A dispatch, and how long the device took for it. */
export interface TimedDispatch {
  readonly kernel: string;
  /** What was going on, in the caller's words. */
  readonly phase: string;
  readonly ms: number;
}

/** Queries of a set: as many as every device allows. */
const QUERIES = 4096;

/** Whether the device tells how long dispatches take. */
export function hasTimestamps(device: Device): boolean {
  return device.features.has("timestamp-query");
}

/**
 * Times every dispatch that `work` records, by a pass of its own with timestamps; `work` says with
 * `phase` what it is doing. Waits for the device. The passes cost time: what is measured meanwhile
 * by the clock is not what it is without.
 * @param tickMs of one tick of the timestamps, see `measureTick`
 */
export async function timedDispatches(
  device: Device,
  tickMs: number,
  work: (phase: (name: string) => void) => void | Promise<void>,
): Promise<TimedDispatch[]> {
  const dispatches: { kernel: string; phase: string }[] = [];
  const sets: GPUQuerySet[] = [];
  let phase = "";
  device.flush();
  device.onDispatch = ({ name: kernel }) => {
    const first = 2 * dispatches.length % QUERIES;
    if (first === 0) sets.push(device.gpu.createQuerySet({ type: "timestamp", count: QUERIES }));
    dispatches.push({ kernel, phase });
    return {
      querySet: sets.at(-1)!,
      beginningOfPassWriteIndex: first,
      endOfPassWriteIndex: first + 1,
    };
  };
  try {
    await work((name) => phase = name);
  } finally {
    device.onDispatch = null;
  }
  using _ = device.scope();
  const times: number[] = [];
  for (const [s, set] of sets.entries()) {
    const count = Math.min(QUERIES, 2 * dispatches.length - s * QUERIES);
    const ticks = await resolved(device, set, count);
    for (let i = 0; i < count; i += 2) times.push(tickMs * Number(ticks[i + 1] - ticks[i]));
    set.destroy();
  }
  return dispatches.map((dispatch, i) => ({ ...dispatch, ms: times[i] }));
}

async function resolved(device: Device, set: GPUQuerySet, count: number): Promise<BigUint64Array> {
  device.flush();
  const bytes = 8 * count;
  const target = device.gpu.createBuffer({
    label: "timestamps",
    size: bytes,
    usage: GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC,
  });
  const staging = device.gpu.createBuffer({
    label: "timestamps read",
    size: bytes,
    usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
  });
  const encoder = device.gpu.createCommandEncoder();
  encoder.resolveQuerySet(set, 0, count, target, 0);
  encoder.copyBufferToBuffer(target, 0, staging, 0, bytes);
  device.gpu.queue.submit([encoder.finish()]);
  try {
    await staging.mapAsync(GPUMapMode.READ);
    device.check();
    return new BigUint64Array(staging.getMappedRange().slice(0));
  } finally {
    target.destroy();
    staging.destroy();
  }
}

/**
 * Milliseconds of one tick. The standard says nanoseconds, drivers have their own units, and not
 * every layer between converts; where the clock says nearly the same as the standard, it is the
 * standard's.
 */
export async function measureTick(device: Device): Promise<number> {
  using _ = device.scope();
  const groups = device.kind === "gpu" ? 16384 : 256;
  const out = empty(device, [groups * 64]);
  const run = (turns: number) => () =>
    device.run(
      device.kernel("fma_peak", peakWgsl, { TURNS: turns }),
      { out: out.slice },
      {},
      groups,
    );
  const [short, long] = [run(1000), run(11000)];
  await timed(device, short);
  await timed(device, long);
  const best = async (work: () => void) =>
    Math.min(await timed(device, work), await timed(device, work));
  const clock = await best(long) - await best(short);
  const ticks = async (work: () => void) => (await timedDispatches(device, 1, work))[0].ms;
  const counted = await ticks(long) - await ticks(short);
  const standard = 1e-6;
  const measured = clock / counted;
  return measured > standard / 2 && measured < 2 * standard ? standard : measured;
}

/**
 * Says of each encoding how many of its rows have gradient, in the order of the encodings; null:
 * all.
 */
export type GradientRows = () => Promise<(number | null)[]>;

/**
 * Watches one step on the fused path for the rows that its backward pass goes over. The list's
 * length is known to the device alone; where there is no list, it goes over all.
 */
export function watchGradientRows(device: Device): { stop: GradientRows } {
  // An encoding is known by the table it reads regions from: seen first forward, again backward.
  const encodings: OwnedBuffer[] = [];
  const totals: (OwnedBuffer | undefined)[] = [];
  let pending = -1;
  device.onDispatch = ({ name }, bind, params) => {
    const regions = bind.region_of_point?.buffer;
    // What makes rows' inputs reads their regions' centres.
    if (bind.center && !encodings.includes(regions)) encodings.push(regions);
    const which = encodings.indexOf(regions);
    // The first kernel of a chunk does not ask for the list's length; the one after it does.
    if (name === "row_gradient" && params.chunk_first === 0) {
      pending = which;
    } else if (pending >= 0 && bind.total) {
      const copy = device.allocate(4, "rows with gradient", false);
      device.copy({ ...bind.total, size: 4 }, { buffer: copy, offset: 0, size: 4 });
      totals[pending] = copy;
      pending = -1;
    }
    return undefined;
  };
  return {
    stop: async () => {
      device.onDispatch = null;
      const rows: (number | null)[] = [];
      for (const [e] of encodings.entries()) {
        const buffer = totals[e];
        if (!buffer) throw new Error(`Encoding ${e} has no backward pass`);
        const [count] = new Uint32Array(await device.read({ buffer, offset: 0, size: 4 }));
        rows.push(count === 0xffffffff ? null : count);
        buffer.release();
      }
      return rows;
    },
  };
}
