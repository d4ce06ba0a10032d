/**
 * Python pickles, protocols 0 to 5, read as data. The interpreter knows the opcodes that build plain values
 * and calls nothing but the constructors its caller lists; any other name is refused where it is met, before anything is
 * made of it. It never recurses, and its work and memory are bounded by the file's size.
 *
 * Opcodes: the table in CPython's Lib/pickletools.py.
 */

import type { DataError } from "../../../base/errors.ts";
import {
  decodeLong,
  latin1Text,
  parseFloatText,
  parseInteger,
  rawUnicode,
  unescape,
} from "./pickle_text.ts";
import { isName, type PickleValue, typeName } from "./pickle_values.ts";
import { printable } from "../../../base/printable.ts";
import { formatError } from "../reader.ts";

/** Something a pickle may name. Without `call` it may be named but not called. */
export interface PickleConstructor {
  /** Makes the value; `fail` makes the error to throw. `charge(n)` accounts for n bytes or items of work. */
  readonly call?: (
    args: readonly PickleValue[],
    fail: (message: string) => DataError,
    charge: (amount: number) => void,
  ) => PickleValue;
}

/** What {@link unpickle} needs besides the bytes. */
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

/**
 * Reads one pickle; `end` is the byte after its STOP.
 * @throws {DataError} naming the byte, when the pickle is damaged or holds something that is not data.
 */
export function unpickle(
  bytes: Uint8Array,
  options: UnpickleOptions,
): { readonly value: PickleValue; readonly end: number } {
  const { where, globals } = options;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const stack: PickleValue[] = [];
  const marks: number[] = [];
  const memo = new Map<number, PickleValue>();
  let at = options.start ?? 0;
  let opcodeAt = at;
  let objects = 0;
  let budget = 4 * bytes.length + 65_536;

  const fail = (message: string): DataError => formatError(where, { byte: opcodeAt }, message);
  const charge = (amount: number): void => {
    budget -= amount;
    if (budget < 0) throw fail("the pickle copies its own data over and over: refused");
  };
  const take = (length: number): number => {
    if (!(length >= 0 && at + length <= bytes.length)) {
      throw fail(
        `the pickle is cut short: ${length} more bytes expected, ${bytes.length - at} are left`,
      );
    }
    at += length;
    return at - length;
  };
  const takeBytes = (length: number): Uint8Array => {
    const from = take(length);
    return bytes.subarray(from, from + length);
  };
  const length8 = (): number => Number(view.getBigUint64(take(8), true));
  const line = (): string => {
    const end = bytes.indexOf(10, at);
    if (end < 0) throw fail("the pickle is cut short: a line without end");
    return utf8.decode(takeBytes(end - at + 1).subarray(0, -1));
  };
  const push = (value: PickleValue): void => {
    stack.push(value);
  };
  const made = <T extends PickleValue>(value: T): T => {
    if (++objects > MAX_OBJECTS) throw fail(`more than ${MAX_OBJECTS} objects: refused`);
    return value;
  };
  const floor = (): number => marks.length > 0 ? marks[marks.length - 1] : 0;
  const pop = (): PickleValue => {
    if (stack.length <= floor()) throw fail("the pickle is damaged: its stack is empty");
    return stack.pop()!;
  };
  const top = (): PickleValue => {
    if (stack.length <= floor()) throw fail("the pickle is damaged: its stack is empty");
    return stack[stack.length - 1];
  };
  const popToMark = (): PickleValue[] => {
    const mark = marks.pop();
    if (mark === undefined) throw fail("the pickle is damaged: a mark is missing");
    return stack.splice(mark);
  };
  const setItems = (items: readonly PickleValue[]): void => {
    const dict = top();
    if (!(dict instanceof Map)) throw fail(`expected a dict to add to, got ${typeName(dict)}`);
    if (items.length % 2 !== 0) throw fail("the pickle is damaged: a dict key without value");
    for (let i = 0; i < items.length; i += 2) {
      const key = items[i];
      if (typeof key === "object" && key !== null) {
        throw fail(`holds a dict with a key of type ${typeName(key)}: only plain keys are read`);
      }
      dict.set(key, items[i + 1]);
    }
  };
  const append = (items: readonly PickleValue[]): void => {
    const list = top();
    if (!Array.isArray(list)) throw fail(`expected a list to add to, got ${typeName(list)}`);
    for (const item of items) list.push(item);
  };
  const named = (module: PickleValue, name: PickleValue): void => {
    if (typeof module !== "string" || typeof name !== "string") {
      throw fail("the pickle is damaged: a global's name is no text");
    }
    if (module.length > MAX_NAME || name.length > MAX_NAME) {
      throw fail(`holds ${printable(module)}.${printable(name)}, which is not data: refused`);
    }
    const full = `${module}.${name}`;
    if (!globals.has(full)) throw fail(`holds ${printable(full)}, which is not data: refused`);
    push(made({ pickled: "name", name: full }));
  };
  const reduce = (): void => {
    const args = pop();
    const callee = pop();
    if (!isName(callee)) throw fail(`cannot call ${typeName(callee)}: refused`);
    const call = globals.get(callee.name)?.call;
    if (call === undefined || !Array.isArray(args)) {
      throw fail(`holds a call of ${callee.name}, which is not data: refused`);
    }
    push(made(call(args, (message) => fail(`${callee.name}: ${message}`), charge)));
  };
  const get = (key: number): void => {
    const value = memo.get(key);
    if (value === undefined) throw fail(`the pickle is damaged: nothing is stored under ${key}`);
    push(value);
  };
  const lineNumber = (): number => {
    const text = line();
    const value = /^\d{1,15}$/.test(text.trim()) ? Number(text) : NaN;
    if (Number.isNaN(value)) {
      throw fail(`expected a number, got ${JSON.stringify(printable(text))}`);
    }
    return value;
  };
  const instance = (callee: PickleValue): DataError =>
    fail(`holds an object of ${isName(callee) ? callee.name : typeName(callee)}: refused`);

  for (;;) {
    opcodeAt = at;
    if (at >= bytes.length) {
      throw fail("the pickle is cut short: it ends without a stop");
    }
    const opcode = bytes[at++];
    switch (opcode) {
      case 0x2e: { // STOP
        const value = pop();
        return { value, end: at };
      }
      case 0x80: { // PROTO
        const protocol = bytes[take(1)];
        if (protocol > 5) throw fail(`pickle protocol ${protocol}: 0 to 5 are read`);
        break;
      }
      case 0x95: // FRAME, whose length says only how much a reader may prefetch
        take(8);
        break;
      case 0x28: // MARK
        marks.push(stack.length);
        break;
      case 0x30: // POP, which takes a mark where one is on top
        if (marks.length > 0 && floor() === stack.length) marks.pop();
        else pop();
        break;
      case 0x31: // POP_MARK
        popToMark();
        break;
      case 0x32: // DUP
        push(top());
        break;
      case 0x4e: // NONE
        push(null);
        break;
      case 0x88: // NEWTRUE
        push(true);
        break;
      case 0x89: // NEWFALSE
        push(false);
        break;
      case 0x49: { // INT; "00" and "01" are the booleans of protocol 0
        const text = line();
        push(text === "00" ? false : text === "01" ? true : parseInteger(text, fail));
        break;
      }
      case 0x4c: // LONG
        push(parseInteger(line().replace(/L$/, ""), fail));
        break;
      case 0x4a: // BININT
        push(view.getInt32(take(4), true));
        break;
      case 0x4b: // BININT1
        push(bytes[take(1)]);
        break;
      case 0x4d: // BININT2
        push(view.getUint16(take(2), true));
        break;
      case 0x8a: // LONG1
        push(decodeLong(takeBytes(bytes[take(1)]), fail));
        break;
      case 0x8b: { // LONG4
        push(decodeLong(takeBytes(view.getInt32(take(4), true)), fail));
        break;
      }
      case 0x46: { // FLOAT
        const text = line();
        const value = parseFloatText(text);
        if (value === undefined) {
          throw fail(`expected a float, got ${JSON.stringify(printable(text))}`);
        }
        push(value);
        break;
      }
      case 0x47: // BINFLOAT
        push(view.getFloat64(take(8), false));
        break;
      case 0x53: { // STRING
        const text = line().trim();
        if (!/^(['"]).*\1$/s.test(text) || text.length < 2) {
          throw fail("a quoted string is expected");
        }
        push(unescape(text.slice(1, -1)));
        break;
      }
      case 0x54: // BINSTRING
        push(latin1Text(takeBytes(view.getInt32(take(4), true))));
        break;
      case 0x55: // SHORT_BINSTRING
        push(latin1Text(takeBytes(bytes[take(1)])));
        break;
      case 0x56: { // UNICODE, whose bytes are latin-1 with \u escapes
        const from = at;
        line();
        push(rawUnicode(latin1Text(bytes.subarray(from, at - 1))));
        break;
      }
      case 0x58: // BINUNICODE
        push(utf8.decode(takeBytes(view.getUint32(take(4), true))));
        break;
      case 0x8c: // SHORT_BINUNICODE
        push(utf8.decode(takeBytes(bytes[take(1)])));
        break;
      case 0x8d: // BINUNICODE8
        push(utf8.decode(takeBytes(length8())));
        break;
      case 0x42: // BINBYTES
        push(made(takeBytes(view.getUint32(take(4), true))));
        break;
      case 0x43: // SHORT_BINBYTES
        push(made(takeBytes(bytes[take(1)])));
        break;
      case 0x8e: // BINBYTES8
      case 0x96: // BYTEARRAY8
        push(made(takeBytes(length8())));
        break;
      case 0x98: // READONLY_BUFFER
        top();
        break;
      case 0x5d: // EMPTY_LIST
      case 0x29: // EMPTY_TUPLE
        push(made([]));
        break;
      case 0x7d: // EMPTY_DICT
        push(made(new Map()));
        break;
      case 0x6c: // LIST
      case 0x74: // TUPLE
        push(made(popToMark()));
        break;
      case 0x85: // TUPLE1
        push(made([pop()]));
        break;
      case 0x86: { // TUPLE2
        const second = pop();
        push(made([pop(), second]));
        break;
      }
      case 0x87: { // TUPLE3
        const third = pop();
        const second = pop();
        push(made([pop(), second, third]));
        break;
      }
      case 0x64: { // DICT
        const items = popToMark();
        push(made(new Map()));
        setItems(items);
        break;
      }
      case 0x61: { // APPEND
        const item = pop();
        append([item]);
        break;
      }
      case 0x65: // APPENDS
        append(popToMark());
        break;
      case 0x73: { // SETITEM
        const value = pop();
        const key = pop();
        setItems([key, value]);
        break;
      }
      case 0x75: // SETITEMS
        setItems(popToMark());
        break;
      case 0x67: // GET
        get(lineNumber());
        break;
      case 0x68: // BINGET
        get(bytes[take(1)]);
        break;
      case 0x6a: // LONG_BINGET
        get(view.getUint32(take(4), true));
        break;
      case 0x70: // PUT
        memo.set(lineNumber(), top());
        break;
      case 0x71: // BINPUT
        memo.set(bytes[take(1)], top());
        break;
      case 0x72: // LONG_BINPUT
        memo.set(view.getUint32(take(4), true), top());
        break;
      case 0x94: // MEMOIZE
        memo.set(memo.size, top());
        break;
      case 0x63: { // GLOBAL
        const module = line();
        named(module, line());
        break;
      }
      case 0x93: { // STACK_GLOBAL
        const name = pop();
        named(pop(), name);
        break;
      }
      case 0x52: // REDUCE
        reduce();
        break;
      case 0x62: { // BUILD
        const state = pop();
        const target = top();
        if (options.setState === undefined) {
          throw fail(`holds a state for ${typeName(target)}: refused`);
        }
        options.setState(target, state, fail, charge);
        break;
      }
      case 0x50: // PERSID
      case 0x51: { // BINPERSID
        const id = opcode === 0x50 ? line() : pop();
        if (options.persistent === undefined) {
          throw fail("refers to objects outside the pickle (a persistent id): refused");
        }
        push(made(options.persistent(id, fail)));
        break;
      }
      case 0x69: { // INST
        const module = line();
        throw fail(`holds an object of ${printable(`${module}.${line()}`)}: refused`);
      }
      case 0x6f: // OBJ
        throw instance(popToMark()[0] ?? null);
      case 0x81: // NEWOBJ
        pop();
        throw instance(pop());
      case 0x92: // NEWOBJ_EX
        pop();
        pop();
        throw instance(pop());
      case 0x8f: // EMPTY_SET
        throw fail("holds a builtins.set, which no scene has: refused");
      case 0x91: // FROZENSET
        throw fail("holds a builtins.frozenset, which no scene has: refused");
      case 0x82: // EXT1
      case 0x83: // EXT2
      case 0x84: // EXT4
        throw fail("holds an object of the copyreg extension registry, which is not data: refused");
      case 0x97: // NEXT_BUFFER
        throw fail("keeps its arrays outside the file (protocol 5 out-of-band buffers): refused");
      default:
        throw fail(
          `not a pickle, or a damaged one: opcode 0x${
            opcode.toString(16).padStart(2, "0")
          } is unknown`,
        );
    }
  }
}
