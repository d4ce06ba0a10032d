/** The values a pickle may hold, and what to call them. */

import type { DType, NdArray } from "../numpy/ndarray.ts";

/** A Python value. Tuples come as arrays; int as number where it is exact, else bigint. */
export type PickleValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | PickleValue[]
  | PickleDict
  | PickledArray
  | PickledDType
  | PickledStorage
  | PickledName;

/** A Python dict or OrderedDict; keys are plain values. */
export type PickleDict = Map<PickleValue, PickleValue>;

/** A NumPy array or torch tensor. `array` is missing until its state has been read. */
export interface PickledArray {
  readonly pickled: "array";
  array?: NdArray;
  /** Said instead, when the elements are no numbers. */
  unreadable?: string;
}

/** A NumPy element type; `dtype` is missing for those that are no plain numbers. */
export interface PickledDType {
  readonly pickled: "dtype";
  /** As NumPy writes it, e.g. `f4`. */
  readonly text: string;
  dtype?: DType;
}

/**
 * A torch storage: a block of elements that tensors look into. `bytes` may arrive after the pickle.
 */
export interface PickledStorage {
  readonly pickled: "storage";
  readonly dtype: DType;
  bytes?: Uint8Array;
}

/** A known global that has been named, e.g. `numpy.ndarray`. */
export interface PickledName {
  readonly pickled: "name";
  readonly name: string;
}

/** True for a named global. */
export function isName(value: PickleValue): value is PickledName {
  return typeof value === "object" && value !== null && "pickled" in value &&
    value.pickled === "name";
}

/** What to call a value's type in a message. */
export function typeName(value: PickleValue): string {
  if (value === null) return "None";
  if (value instanceof Map) return "a dict";
  if (Array.isArray(value)) return "a list or tuple";
  if (value instanceof Uint8Array) return "bytes";
  switch (typeof value) {
    case "boolean":
      return "a bool";
    case "string":
      return "a str";
    case "number":
      return Number.isInteger(value) ? "an int" : "a float";
    case "bigint":
      return "an int";
  }
  switch (value.pickled) {
    case "array":
      return "an array";
    case "dtype":
      return `the dtype ${value.text}`;
    case "storage":
      return "a torch storage";
    case "name":
      return value.name;
  }
}
