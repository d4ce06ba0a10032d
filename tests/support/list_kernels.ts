/**
 * Prints which generated kernels differ from the list in tests/fixtures/kernels.txt.
 *
 * deno run -A tests/support/list_kernels.ts [--write] [--dump DIR]
 *
 * --write makes the list anew; --dump writes each kernel's WGSL into DIR, so that two states can be
 * compared by `diff -r`.
 */

import { parseArgs } from "@std/cli/parse-args";
import { join } from "@std/path";
import { everyKernel } from "./every_kernel.ts";
import { comparison, KERNEL_LIST, kernelList } from "./kernel_list.ts";

const { write, dump } = parseArgs(Deno.args, { boolean: ["write"], string: ["dump"] });
const { device, kernels } = await everyKernel();
using _ = device;
if (dump !== undefined) {
  await Deno.mkdir(dump, { recursive: true });
  const counts = new Map<string, number>();
  for (const { name, code } of kernels) {
    const file = name.slice(0, 120).replaceAll(/[^\w.+-]/g, "_");
    const n = counts.get(file) ?? 0;
    counts.set(file, n + 1);
    await Deno.writeTextFile(join(dump, `${file}.${n}.wgsl`), code);
  }
}
const list = await kernelList(kernels);
const before = await Deno.readTextFile(KERNEL_LIST).catch(() => "");
console.log(comparison(before, list) || `${kernels.length} kernels, none altered`);
if (write) await Deno.writeTextFile(KERNEL_LIST, list);
