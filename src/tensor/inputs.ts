/**
 * What every operation asks of its inputs: tensors of f32 values on one device. Shapes are each
 * operation's own affair.
 */

import type { Device } from "../gpu/device.ts";
import { Tensor } from "./tensor.ts";
import { tensor } from "./create.ts";

/** What arithmetic takes: a tensor, or a plain number that stands for a tensor of one value. */
export type Operand = Tensor | number;

/** A value in words, for messages. */
function told(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (typeof value === "number" || typeof value === "boolean") {
    return `the ${typeof value} ${value}`;
  }
  return typeof value === "object" ? value.constructor?.name ?? "an object" : `a ${typeof value}`;
}

/**
 * Throws unless all inputs of an operation are f32 tensors on one device, which it returns.
 *
 * @throws {TypeError} There is none, or names the first that is something else.
 */
export function checkInputs(op: string, inputs: readonly Tensor[]): Device {
  if (inputs.length === 0) throw new TypeError(`${op}: expected at least one tensor, got none.`);
  for (const x of inputs) {
    if (!(x instanceof Tensor)) throw new TypeError(`${op}: expected a tensor, got ${told(x)}.`);
    if (x.dtype !== "f32") {
      throw new TypeError(
        `${op}: expected tensors of f32 values, got ${x.dtype} of shape [${x.shape.join(", ")}]. ` +
          `Make it from a Float32Array.`,
      );
    }
    if (x.device !== inputs[0].device) {
      throw new TypeError(
        `${op}: the tensors lie on two devices. Read one's values and make it anew on the other's.`,
      );
    }
  }
  return inputs[0].device;
}

/**
 * The device of two operands of which one at most is a number.
 *
 * @throws {TypeError} As `checkInputs`, or both are numbers.
 */
export function checkOperands(op: string, a: Operand, b: Operand): Device {
  const tensors = [a, b].filter((x) => typeof x !== "number");
  if (tensors.length === 0) {
    throw new TypeError(`${op}: expected at least one tensor, got the numbers ${a} and ${b}.`);
  }
  return checkInputs(op, tensors);
}

/** A number as a tensor of one value; a tensor as it is. */
export function asTensor(device: Device, x: Operand): Tensor {
  return typeof x === "number" ? tensor(device, [x], []) : x;
}
