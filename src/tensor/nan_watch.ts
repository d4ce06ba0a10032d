/**
 * DBBD_DEBUG=3: every operation's output, forward and backward, is scanned on the device for NaN
 * and infinity; the next read or sync throws an error that names the first operation that made one.
 */

import wgsl from "../../shaders/tensor/nan_scan.wgsl" with { type: "text" };
import type { BufferSlice, Device } from "../gpu/device.ts";
import type { OwnedBuffer } from "../gpu/scope.ts";
import { DataError } from "../base/errors.ts";

/** What is looked at of a tensor. */
interface Watched {
  readonly device: Device;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly size: number;
  readonly slice: BufferSlice;
}

/** Outputs whose flags share a buffer. */
const BLOCK = 4096;

/** What was scanned since the last wait, in the order of execution. */
interface Watch {
  outputs: { readonly op: string; readonly shape: readonly number[] }[];
  blocks: OwnedBuffer[];
}

const watches = new WeakMap<Device, Watch>();

function watchOf(device: Device): Watch {
  let watch = watches.get(device);
  if (!watch) {
    watch = { outputs: [], blocks: [] };
    watches.set(device, watch);
    device.afterWait = () => report(device, watch!);
  }
  return watch;
}

/** Record a scan of an output of `op`. */
export function watchOutput(op: string, out: Watched): void {
  if (out.dtype !== "f32") return;
  const { device } = out;
  const watch = watchOf(device);
  const slot = watch.outputs.length % BLOCK;
  if (slot === 0) {
    const buffer = device.allocate(BLOCK * 4, "flags of the NaN check", false);
    device.clear({ buffer, offset: 0, size: BLOCK * 4 });
    watch.blocks.push(buffer);
  }
  watch.outputs.push({ op, shape: out.shape });
  device.runRows(device.kernel("nan_scan", wgsl), {
    rows: out.size,
    rowsPerGroup: 256,
    byRow: { x: [out.slice, 4] },
    whole: { flags: { buffer: watch.blocks.at(-1)!, offset: 0, size: BLOCK * 4 } },
    params: { slot },
  });
}

/**
 * Throw the first finding since the last wait. Reading the flags waits too and finds nothing new to
 * report.
 */
async function report(device: Device, watch: Watch): Promise<void> {
  const { outputs, blocks } = watch;
  watch.outputs = [];
  watch.blocks = [];
  try {
    for (let b = 0; b < blocks.length; b++) {
      const read = await device.read({ buffer: blocks[b], offset: 0, size: BLOCK * 4 });
      const flags = new Uint32Array(read);
      const slot = flags.findIndex((flag) => flag !== 0);
      if (slot < 0) continue;
      const { op, shape } = outputs[b * BLOCK + slot];
      throw new DataError(
        `NaN or infinity came out of ${op}: first at element ${~flags[slot] >>> 0} of its result ` +
          `[${shape.join(", ")}]. Every operation before it gave finite numbers.`,
      );
    }
  } finally {
    for (const block of blocks) block.release();
  }
}
