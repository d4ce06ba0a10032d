/**
 * A kernel is a declared thing: its WGSL file says which bindings and which parameters it takes,
 * and this reads them from there, so that a caller names them and nothing is declared twice.
 */

import prelude from "../../shaders/prelude.wgsl" with { type: "text" };
import { expandTemplate, type KernelConstants } from "./template.ts";

export type { KernelConstants } from "./template.ts";

/** A storage or uniform binding as the shader declares it. */
export interface KernelBinding {
  /** The variable's name. */
  readonly name: string;
  /** Its number in group 0. */
  readonly index: number;
  /** What the shader may do with it. */
  readonly access: "read" | "read_write" | "uniform";
}

interface Param {
  readonly name: string;
  readonly float: boolean;
}

/** Values for the fields of the shader's `Params` struct, by name. */
export type KernelParams = Readonly<Record<string, number>>;

/**
 * WGSL, or several pieces of it that are put one after the other, such as functions that kernels
 * share and the kernel. Directives as in `template.ts` are resolved with the kernel's constants.
 */
export type KernelSource = string | readonly string[];

/** A compiled kernel. Made by `Device.kernel`, which caches by name, source and constants. */
export interface Kernel {
  /** Names it in messages. */
  readonly name: string;
  /** The whole WGSL text, constants and prelude included. */
  readonly code: string;
  /** What a dispatch has to bind, `params` aside. */
  readonly bindings: readonly KernelBinding[];
  /** Binding index of `var<uniform> params: Params`, or -1. */
  readonly paramsBinding: number;
  /** Bytes of `Params`. */
  readonly paramsSize: number;
  /** Names of the fields of `Params`, in their order. */
  readonly paramNames: readonly string[];
  /** The compiled pipeline. */
  readonly pipeline: GPUComputePipeline;
  /** Its one bind group's layout. */
  readonly layout: GPUBindGroupLayout;
  /**
   * Write the parameters at a byte offset of a uniform staging area.
   *
   * @throws {Error} One is missing, or there is one that the shader does not have.
   */
  packParams(params: KernelParams, into: DataView, offset: number): void;
}

const BINDING =
  /@group\(0\)\s*@binding\((\d+)\)\s*var<\s*(uniform|storage\s*,\s*read_write|storage\s*,\s*read|storage)\s*>\s*(\w+)\s*:/g;

function constantLines(kernel: string, constants: KernelConstants): string {
  return Object.entries(constants).map(([name, value]) => {
    if (typeof value === "boolean") return `const ${name} = ${value};\n`;
    if (Number.isInteger(value) && value >= 0 && value < 2 ** 32) {
      return `const ${name} = ${value}u;\n`;
    }
    if (!Number.isFinite(value) || Number.isInteger(value)) {
      throw new Error(
        `Kernel ${kernel}: constant ${name} is ${value}, expected a fraction or a whole number of u32`,
      );
    }
    return `const ${name} = ${value.toExponential()}f;\n`;
  }).join("");
}

/** The bindings that a shader declares, and the index of its parameters, or -1. */
function parseBindings(declarations: string): Pick<Kernel, "bindings" | "paramsBinding"> {
  const bindings: KernelBinding[] = [];
  let paramsBinding = -1;
  for (const [, index, kind, variable] of declarations.matchAll(BINDING)) {
    if (variable === "params") paramsBinding = Number(index);
    else {
      const access = kind === "uniform"
        ? "uniform"
        : kind.includes("read_write")
        ? "read_write"
        : "read";
      bindings.push({ name: variable, index: Number(index), access });
    }
  }
  return { bindings, paramsBinding };
}

function withoutComments(code: string): string {
  return code.replace(/\/\/.*$|\/\*[\s\S]*?\*\//gm, "");
}

function parseParams(name: string, code: string): Param[] {
  const body = /struct\s+Params\s*\{([^}]*)\}/.exec(code)?.[1];
  if (body === undefined) throw new Error(`Kernel ${name}: binding params without struct Params`);
  return [...body.matchAll(/(\w+)\s*:\s*(\w+)/g)].map(
    ([, field, type]) => {
      if (type !== "u32" && type !== "f32") {
        throw new Error(
          `Kernel ${name}: parameter ${field} is ${type}, only u32 and f32 are known`,
        );
      }
      return { name: field, float: type === "f32" };
    },
  );
}

/** Names the first of `given` that is not among `known`, for a message; null: all are. */
function surplus(given: object, known: readonly string[]): string | null {
  return Object.keys(given).find((name) => !known.includes(name)) ?? null;
}

/**
 * Throws unless `bind` names every binding of a kernel and nothing else.
 *
 * @throws {Error} A binding is missing, or there is one that the shader does not have.
 */
export function checkBindings({ name: kernel, bindings }: Kernel, bind: object): void {
  const missing = bindings.find(({ name }) => !Object.hasOwn(bind, name));
  if (missing) throw new Error(`Kernel ${kernel}: binding ${missing.name} is missing`);
  if (Object.keys(bind).length === bindings.length) return;
  const names = bindings.map(({ name }) => name);
  throw new Error(
    `Kernel ${kernel}: there is no binding ${surplus(bind, names)}, only ${names.join(", ")}`,
  );
}

/** See `Kernel.packParams`. */
function packParams(
  kernel: string,
  params: readonly Param[],
  values: KernelParams,
  into: DataView,
  offset: number,
): void {
  if (Object.keys(values).length > params.length) {
    const names = params.map(({ name }) => name);
    throw new Error(
      `Kernel ${kernel}: there is no parameter ${surplus(values, names)}, only ${
        names.join(", ") || "none"
      }`,
    );
  }
  for (const { name: field, float } of params) {
    const value = values[field];
    if (value === undefined) throw new Error(`Kernel ${kernel}: parameter ${field} is missing`);
    if (float) into.setFloat32(offset, value, true);
    else into.setUint32(offset, value, true);
    offset += 4;
  }
}

/**
 * The directive by which a shader asks for subgroup operations, where the device's compiler knows
 * it.
 */
function enableLine(code: string, enableSubgroups: boolean): string {
  return enableSubgroups && /\bsubgroup\w*\s*\(|\bsubgroup_\w+/.test(code)
    ? "enable subgroups;\n"
    : "";
}

/**
 * Compile a kernel. Constants become module-scope `const`s.
 *
 * @param enableSubgroups whether shaders with subgroup operations have to ask for them: Tint wants
 * it, naga refuses it
 */
export function compileKernel(
  device: GPUDevice,
  name: string,
  source: KernelSource,
  constants: KernelConstants,
  enableSubgroups = false,
): Kernel {
  const whole = expandTemplate(typeof source === "string" ? source : source.join(""), constants);
  const declarations = withoutComments(constantLines(name, constants) + prelude + whole);
  const code = enableLine(declarations, enableSubgroups) + constantLines(name, constants) +
    prelude + whole;
  const { bindings, paramsBinding } = parseBindings(declarations);
  const params = paramsBinding < 0 ? [] : parseParams(name, declarations);
  const paramNames = params.map(({ name }) => name);
  const entries: GPUBindGroupLayoutEntry[] = bindings.map(({ index, access }) => ({
    binding: index,
    visibility: GPUShaderStage.COMPUTE,
    buffer: {
      type: access === "uniform" ? "uniform" : access === "read" ? "read-only-storage" : "storage",
    },
  }));
  if (paramsBinding >= 0) {
    entries.push({
      binding: paramsBinding,
      visibility: GPUShaderStage.COMPUTE,
      buffer: { type: "uniform", hasDynamicOffset: true },
    });
  }
  const layout = device.createBindGroupLayout({ label: name, entries });
  const pipeline = device.createComputePipeline({
    label: name,
    layout: device.createPipelineLayout({ label: name, bindGroupLayouts: [layout] }),
    compute: { module: device.createShaderModule({ label: name, code }), entryPoint: "main" },
  });
  return {
    name,
    code,
    bindings,
    paramsBinding,
    paramsSize: Math.ceil(params.length / 4) * 16,
    paramNames,
    pipeline,
    layout,
    packParams: (values, into, offset) => packParams(name, params, values, into, offset),
  };
}

/**
 * Workgroup counts [x, y] for `groups` workgroups along one axis, two-dimensional past the limit.
 */
export function grid(groups: number, limit: number): [number, number] {
  if (groups <= limit) return [groups, 1];
  const y = Math.ceil(groups / limit);
  return [Math.ceil(groups / y), y];
}
