/**
 * What a pickle works on: its bytes, its stack and its memo, within bounds set by the file's size.
 */

import type { DataError } from "../../../base/errors.ts";
import { printable } from "../../../base/printable.ts";
import { formatError } from "../reader.ts";
import { isName, type PickleValue, typeName } from "./pickle_values.ts";

/** Something a pickle may name. Without `call` it may be named but not called. */
export interface PickleConstructor {
  /**
   * Makes the value; `fail` makes the error to throw. `charge(n)` accounts for n bytes or items of
   * work.
   */
  readonly call?: (
    args: readonly PickleValue[],
    fail: (message: string) => DataError,
    charge: (amount: number) => void,
  ) => PickleValue;
}

/** What `unpickle` needs besides the bytes. */
export interface UnpickleOptions {
  /** Names the file in errors. */
  readonly where: string;
  /** Globals that may appear, by full name. */
  readonly globals: ReadonlyMap<string, PickleConstructor>;
  /** Gives the object for a persistent id; without it such ids are refused. */
  readonly persistent?: (id: PickleValue, fail: (message: string) => DataError) => PickleValue;
  /** Applies a state to an object made before; without it states are refused. */
  readonly setState?: (
    target: PickleValue,
    state: PickleValue,
    fail: (message: string) => DataError,
    charge: (amount: number) => void,
  ) => void;
  /** Byte to start at. Default 0. */
  readonly start?: number;
}

const MAX_OBJECTS = 50_000_000;
const MAX_NAME = 256;
const utf8 = new TextDecoder();

/** One pickle that is being read. Everything throws DataError, naming the byte of the opcode. */
export class PickleMachine {
  readonly bytes: Uint8Array;
  readonly options: UnpickleOptions;
  /** Values that opcodes stored, by number. */
  readonly memo = new Map<number, PickleValue>();
  /** The byte that is read next. */
  at: number;
  /** Set by STOP. */
  result: { readonly value: PickleValue; readonly end: number } | undefined;
  readonly #view: DataView;
  readonly #stack: PickleValue[] = [];
  readonly #marks: number[] = [];
  #opcodeAt: number;
  #objects = 0;
  #budget: number;

  constructor(bytes: Uint8Array, options: UnpickleOptions) {
    this.bytes = bytes;
    this.options = options;
    this.at = this.#opcodeAt = options.start ?? 0;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#budget = 4 * bytes.length + 65_536;
  }

  /** The error for what the opcode does. */
  readonly fail = (message: string): DataError =>
    formatError(this.options.where, { byte: this.#opcodeAt }, message);

  /** Accounts for bytes or items that are copied. */
  readonly charge = (amount: number): void => {
    this.#budget -= amount;
    if (this.#budget < 0) {
      throw this.fail("the pickle copies its own data over and over: refused");
    }
  };

  /** The next opcode; messages are about it from now on. */
  nextOpcode(): number {
    this.#opcodeAt = this.at;
    if (this.at >= this.bytes.length) {
      throw this.fail("the pickle is cut short: it ends without a stop");
    }
    return this.bytes[this.at++];
  }

  /** Where the next `length` bytes begin, which are read then. */
  take(length: number): number {
    const left = this.bytes.length - this.at;
    if (!(length >= 0 && length <= left)) {
      throw this.fail(
        `the pickle is cut short: ${length} more bytes expected, ${left} are left`,
      );
    }
    this.at += length;
    return this.at - length;
  }

  /** The next `length` bytes. */
  takeBytes(length: number): Uint8Array {
    const from = this.take(length);
    return this.bytes.subarray(from, from + length);
  }

  /** The next `length` bytes as text. */
  text(length: number): string {
    return utf8.decode(this.takeBytes(length));
  }

  /** The next byte. */
  uint8(): number {
    return this.bytes[this.take(1)];
  }

  /** The next two bytes. */
  uint16(): number {
    return this.#view.getUint16(this.take(2), true);
  }

  /** The next four bytes. */
  uint32(): number {
    return this.#view.getUint32(this.take(4), true);
  }

  /** The next four bytes, signed. */
  int32(): number {
    return this.#view.getInt32(this.take(4), true);
  }

  /** The next eight bytes. */
  uint64(): number {
    return Number(this.#view.getBigUint64(this.take(8), true));
  }

  /** The next eight bytes, big-endian as a pickle keeps floats. */
  float64(): number {
    return this.#view.getFloat64(this.take(8), false);
  }

  /** The text up to the end of the line. */
  line(): string {
    const end = this.bytes.indexOf(10, this.at);
    if (end < 0) throw this.fail("the pickle is cut short: a line without end");
    return utf8.decode(this.takeBytes(end - this.at + 1).subarray(0, -1));
  }

  /** A line that holds a key of the memo. */
  lineNumber(): number {
    const text = this.line();
    const value = /^\d{1,15}$/.test(text.trim()) ? Number(text) : NaN;
    if (Number.isNaN(value)) {
      throw this.fail(`expected a number, got ${JSON.stringify(printable(text))}`);
    }
    return value;
  }

  /** Puts a value on the stack. */
  push(value: PickleValue): void {
    this.#stack.push(value);
  }

  /** Puts an object on the stack, which counts. */
  pushMade(value: PickleValue): void {
    if (++this.#objects > MAX_OBJECTS) {
      throw this.fail(`more than ${MAX_OBJECTS} objects: refused`);
    }
    this.#stack.push(value);
  }

  #floor(): number {
    return this.#marks.at(-1) ?? 0;
  }

  /** The topmost value, which stays. */
  top(): PickleValue {
    if (this.#stack.length <= this.#floor()) {
      throw this.fail("the pickle is damaged: its stack is empty");
    }
    return this.#stack[this.#stack.length - 1];
  }

  /** Takes the topmost value. */
  pop(): PickleValue {
    const value = this.top();
    this.#stack.pop();
    return value;
  }

  /** Sets a mark on the stack. */
  mark(): void {
    this.#marks.push(this.#stack.length);
  }

  /** Takes the topmost value or, where nothing is above it, the last mark. */
  popAny(): void {
    if (this.#marks.at(-1) === this.#stack.length) this.#marks.pop();
    else this.pop();
  }

  /** Takes all values above the last mark. */
  popToMark(): PickleValue[] {
    const mark = this.#marks.pop();
    if (mark === undefined) throw this.fail("the pickle is damaged: a mark is missing");
    return this.#stack.splice(mark);
  }

  /** Adds keys and values, in turns, to the dict on the stack. */
  setItems(items: readonly PickleValue[]): void {
    const dict = this.top();
    if (!(dict instanceof Map)) throw this.fail(`expected a dict to add to, got ${typeName(dict)}`);
    if (items.length % 2 !== 0) throw this.fail("the pickle is damaged: a dict key without value");
    for (let i = 0; i < items.length; i += 2) {
      const key = items[i];
      if (typeof key === "object" && key !== null) {
        throw this.fail(
          `holds a dict with a key of type ${typeName(key)}: only plain keys are read`,
        );
      }
      dict.set(key, items[i + 1]);
    }
  }

  /** Adds to the list on the stack. */
  append(items: readonly PickleValue[]): void {
    const list = this.top();
    if (!Array.isArray(list)) throw this.fail(`expected a list to add to, got ${typeName(list)}`);
    for (const item of items) list.push(item);
  }

  /** Puts the value of a key of the memo on the stack. */
  recall(key: number): void {
    const value = this.memo.get(key);
    if (value === undefined) {
      throw this.fail(`the pickle is damaged: nothing is stored under ${key}`);
    }
    this.push(value);
  }

  /** Puts a global on the stack, if it may be named. */
  pushGlobal(module: PickleValue, name: PickleValue): void {
    if (typeof module !== "string" || typeof name !== "string") {
      throw this.fail("the pickle is damaged: a global's name is no text");
    }
    if (module.length > MAX_NAME || name.length > MAX_NAME) {
      throw this.fail(`holds ${printable(module)}.${printable(name)}, which is not data: refused`);
    }
    const full = `${module}.${name}`;
    if (!this.options.globals.has(full)) {
      throw this.fail(`holds ${printable(full)}, which is not data: refused`);
    }
    this.pushMade({ pickled: "name", name: full });
  }

  /** Calls what is below the arguments on the stack, if it may be called. */
  reduce(): void {
    const args = this.pop();
    const callee = this.pop();
    if (!isName(callee)) throw this.fail(`cannot call ${typeName(callee)}: refused`);
    const call = this.options.globals.get(callee.name)?.call;
    if (call === undefined || !Array.isArray(args)) {
      throw this.fail(`holds a call of ${callee.name}, which is not data: refused`);
    }
    const fail = (message: string): DataError => this.fail(`${callee.name}: ${message}`);
    this.pushMade(call(args, fail, this.charge));
  }

  /** Applies the state on the stack to the object below it. */
  build(): void {
    const state = this.pop();
    const target = this.top();
    if (this.options.setState === undefined) {
      throw this.fail(`holds a state for ${typeName(target)}: refused`);
    }
    this.options.setState(target, state, this.fail, this.charge);
  }

  /** Puts the object of a persistent id on the stack. */
  pushPersistent(id: PickleValue): void {
    if (this.options.persistent === undefined) {
      throw this.fail("refers to objects outside the pickle (a persistent id): refused");
    }
    this.pushMade(this.options.persistent(id, this.fail));
  }

  /** The error for an object of a class. */
  instanceOf(callee: PickleValue): DataError {
    return this.fail(
      `holds an object of ${isName(callee) ? callee.name : typeName(callee)}: refused`,
    );
  }
}
