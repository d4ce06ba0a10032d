/** What a kernel asks of a device, read from its WGSL: what WebGPU's limits count. */

import type { Kernel } from "../../src/gpu/kernel.ts";

/** What WebGPU guarantees of every device (https://www.w3.org/TR/webgpu/#limits). */
export const DEFAULT_LIMITS = {
  storageBuffers: 8,
  uniformBuffers: 12,
  workgroupBytes: 16384,
  invocations: 256,
  sizeX: 256,
} as const;

/** What one kernel asks for. */
export type KernelNeeds = Record<keyof typeof DEFAULT_LIMITS, number>;

/** Bytes of the types that workgroup memory is made of here. */
const BYTES: Readonly<Record<string, number>> = {
  u32: 4,
  f32: 4,
  vec2f: 8,
  vec4f: 16,
  vec4u: 16,
  mat4x4f: 64,
};

/** Values of module constants, those made of others included. */
function constantsOf(code: string): Map<string, number> {
  const known = new Map<string, number>();
  for (const [, name, value] of code.matchAll(/^const (\w+)(?:\s*:\s*\w+)? = ([^;]+);/gm)) {
    if (/^(true|false)$/.test(value) || /vec|mat/.test(value)) continue;
    known.set(name, valueOf(value, known));
  }
  return known;
}

/** A constant expression of numbers and names, as WGSL writes it. */
function valueOf(expression: string, known: ReadonlyMap<string, number>): number {
  const text = expression.replace(/[A-Za-z_]\w*(?![\w.])/g, (name) => {
    if (!known.has(name)) throw new Error(`unknown constant ${name} in ${expression}`);
    return String(known.get(name));
  }).replace(/(\d)[uif]\b/g, "$1");
  if (!/^[-+*/%().\deE\s]+$/.test(text)) throw new Error(`cannot evaluate ${expression}`);
  return Number(new Function(`return ${text}`)());
}

/** Reads what a kernel asks for. */
export function kernelNeeds({ code, bindings, paramsBinding }: Kernel): KernelNeeds {
  const plain = code.replace(/\/\/.*$/gm, "").replace(/(\d)u\b/g, "$1");
  const known = constantsOf(plain);
  let workgroupBytes = 0;
  for (const [, type] of plain.matchAll(/var<workgroup>\s+\w+\s*:\s*([^;]+);/g)) {
    const array = /^array<(\w+),\s*(.+)>$/.exec(type.trim());
    const [element, count] = array ? [array[1], valueOf(array[2], known)] : [type.trim(), 1];
    if (!(element in BYTES)) throw new Error(`unknown workgroup type ${element}`);
    workgroupBytes += BYTES[element] * count;
  }
  const size = /@workgroup_size\(([^)]*)\)/.exec(plain)![1].split(",");
  const sizes = size.map((each) => valueOf(each, known));
  const uniforms = bindings.filter(({ access }) => access === "uniform").length;
  return {
    storageBuffers: bindings.length - uniforms,
    uniformBuffers: uniforms + (paramsBinding >= 0 ? 1 : 0),
    workgroupBytes,
    invocations: sizes.reduce((product, each) => product * each, 1),
    sizeX: sizes[0],
  };
}
