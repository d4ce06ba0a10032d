/** Initial values of parameters, drawn from the run's seed and the parameter's name alone. */

import type { Random } from "../base/random.ts";

/** Gives the initial values of a parameter of a shape (out, in) or [n]. */
export type Initialiser = (shape: readonly number[], random: Random) => Float32Array;

function filled(shape: readonly number[], next: () => number): Float32Array {
  const values = new Float32Array(shape.reduce((product, size) => product * size, 1));
  for (let i = 0; i < values.length; i++) values[i] = next();
  return values;
}

/** All `value`. */
export function constant(value: number): Initialiser {
  return (shape) => filled(shape, () => value);
}

/** Uniform in ±sqrt(6 / (in + out)): Glorot and Bengio 2010, PyTorch's `xavier_uniform_`. */
export function xavierUniform(shape: readonly number[], random: Random): Float32Array {
  const bound = Math.sqrt(6 / (shape[0] + shape[1]));
  return filled(shape, () => random.uniform(-bound, bound));
}

/** Uniform in ±1/sqrt(fanIn): what PyTorch's `Linear` starts with, weight and bias alike. */
export function fanInUniform(fanIn: number): Initialiser {
  const bound = 1 / Math.sqrt(fanIn);
  return (shape, random) => filled(shape, () => random.uniform(-bound, bound));
}

/** Standard normal. */
export function standardNormal(shape: readonly number[], random: Random): Float32Array {
  return filled(shape, () => random.normal());
}
