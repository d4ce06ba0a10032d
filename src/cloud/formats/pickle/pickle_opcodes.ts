/** The opcodes of pickles that build plain values: the table in CPython's Lib/pickletools.py. */

import {
  decodeLong,
  latin1Text,
  parseFloatText,
  parseInteger,
  rawUnicode,
  unescape,
} from "./pickle_text.ts";
import type { PickleMachine } from "./pickle_machine.ts";
import { printable } from "../../../base/printable.ts";

/** What an opcode does. */
export type Opcode = (machine: PickleMachine) => void;

/** Opcodes that rule over the stack and the pickle itself. */
const STRUCTURE: Readonly<Record<number, Opcode>> = {
  // STOP
  0x2e: (m) => m.result = { value: m.pop(), end: m.at },
  // PROTO
  0x80: (m) => {
    const protocol = m.uint8();
    if (protocol > 5) throw m.fail(`pickle protocol ${protocol}: 0 to 5 are read`);
  },
  // FRAME, whose length says only how much a reader may prefetch
  0x95: (m) => m.take(8),
  // MARK
  0x28: (m) => m.mark(),
  // POP
  0x30: (m) => m.popAny(),
  // POP_MARK
  0x31: (m) => m.popToMark(),
  // DUP
  0x32: (m) => m.push(m.top()),
  // GET, BINGET, LONG_BINGET
  0x67: (m) => m.recall(m.lineNumber()),
  0x68: (m) => m.recall(m.uint8()),
  0x6a: (m) => m.recall(m.uint32()),
  // PUT, BINPUT, LONG_BINPUT, MEMOIZE
  0x70: (m) => m.memo.set(m.lineNumber(), m.top()),
  0x71: (m) => m.memo.set(m.uint8(), m.top()),
  0x72: (m) => m.memo.set(m.uint32(), m.top()),
  0x94: (m) => m.memo.set(m.memo.size, m.top()),
};

/** Opcodes that push a plain value. */
const VALUES: Readonly<Record<number, Opcode>> = {
  // NONE, NEWTRUE, NEWFALSE
  0x4e: (m) => m.push(null),
  0x88: (m) => m.push(true),
  0x89: (m) => m.push(false),
  // INT; "00" and "01" are the booleans of protocol 0
  0x49: (m) => {
    const text = m.line();
    m.push(text === "00" ? false : text === "01" ? true : parseInteger(text, m.fail));
  },
  // LONG, BININT, BININT1, BININT2, LONG1, LONG4
  0x4c: (m) => m.push(parseInteger(m.line().replace(/L$/, ""), m.fail)),
  0x4a: (m) => m.push(m.int32()),
  0x4b: (m) => m.push(m.uint8()),
  0x4d: (m) => m.push(m.uint16()),
  0x8a: (m) => m.push(decodeLong(m.takeBytes(m.uint8()), m.fail)),
  0x8b: (m) => m.push(decodeLong(m.takeBytes(m.int32()), m.fail)),
  // FLOAT, BINFLOAT
  0x46: (m) => {
    const text = m.line();
    const value = parseFloatText(text);
    if (value === undefined) {
      throw m.fail(`expected a float, got ${JSON.stringify(printable(text))}`);
    }
    m.push(value);
  },
  0x47: (m) => m.push(m.float64()),
  // STRING, BINSTRING, SHORT_BINSTRING
  0x53: (m) => {
    const text = m.line().trim();
    if (!/^(['"]).*\1$/s.test(text) || text.length < 2) {
      throw m.fail("a quoted string is expected");
    }
    m.push(unescape(text.slice(1, -1)));
  },
  0x54: (m) => m.push(latin1Text(m.takeBytes(m.int32()))),
  0x55: (m) => m.push(latin1Text(m.takeBytes(m.uint8()))),
  // UNICODE, whose bytes are latin-1 with \u escapes
  0x56: (m) => {
    const from = m.at;
    m.line();
    m.push(rawUnicode(latin1Text(m.bytes.subarray(from, m.at - 1))));
  },
  // BINUNICODE, SHORT_BINUNICODE, BINUNICODE8
  0x58: (m) => m.push(m.text(m.uint32())),
  0x8c: (m) => m.push(m.text(m.uint8())),
  0x8d: (m) => m.push(m.text(m.uint64())),
  // BINBYTES, SHORT_BINBYTES, BINBYTES8, BYTEARRAY8, READONLY_BUFFER
  0x42: (m) => m.pushMade(m.takeBytes(m.uint32())),
  0x43: (m) => m.pushMade(m.takeBytes(m.uint8())),
  0x8e: (m) => m.pushMade(m.takeBytes(m.uint64())),
  0x96: (m) => m.pushMade(m.takeBytes(m.uint64())),
  0x98: (m) => m.top(),
};

/** Opcodes that make lists, tuples and dicts, and add to them. */
const CONTAINERS: Readonly<Record<number, Opcode>> = {
  // EMPTY_LIST, EMPTY_TUPLE, EMPTY_DICT
  0x5d: (m) => m.pushMade([]),
  0x29: (m) => m.pushMade([]),
  0x7d: (m) => m.pushMade(new Map()),
  // LIST, TUPLE, TUPLE1, TUPLE2, TUPLE3
  0x6c: (m) => m.pushMade(m.popToMark()),
  0x74: (m) => m.pushMade(m.popToMark()),
  0x85: (m) => m.pushMade([m.pop()]),
  0x86: (m) => m.pushMade([m.pop(), m.pop()].reverse()),
  0x87: (m) => m.pushMade([m.pop(), m.pop(), m.pop()].reverse()),
  // DICT
  0x64: (m) => {
    const items = m.popToMark();
    m.pushMade(new Map());
    m.setItems(items);
  },
  // APPEND, APPENDS
  0x61: (m) => m.append([m.pop()]),
  0x65: (m) => m.append(m.popToMark()),
  // SETITEM, SETITEMS
  0x73: (m) => m.setItems([m.pop(), m.pop()].reverse()),
  0x75: (m) => m.setItems(m.popToMark()),
};

const COPYREG = "holds an object of the copyreg extension registry, which is not data: refused";

/** Opcodes that name, call and make objects, as far as that is data. */
const OBJECTS: Readonly<Record<number, Opcode>> = {
  // GLOBAL, STACK_GLOBAL
  0x63: (m) => m.pushGlobal(m.line(), m.line()),
  0x93: (m) => {
    const name = m.pop();
    m.pushGlobal(m.pop(), name);
  },
  // REDUCE, BUILD
  0x52: (m) => m.reduce(),
  0x62: (m) => m.build(),
  // PERSID, BINPERSID
  0x50: (m) => m.pushPersistent(m.line()),
  0x51: (m) => m.pushPersistent(m.pop()),
  // INST
  0x69: (m) => {
    throw m.fail(`holds an object of ${printable(`${m.line()}.${m.line()}`)}: refused`);
  },
  // OBJ
  0x6f: (m) => {
    throw m.instanceOf(m.popToMark()[0] ?? null);
  },
  // NEWOBJ, NEWOBJ_EX
  0x81: (m) => {
    m.pop();
    throw m.instanceOf(m.pop());
  },
  0x92: (m) => {
    m.pop();
    m.pop();
    throw m.instanceOf(m.pop());
  },
  // EMPTY_SET, FROZENSET
  0x8f: refused("holds a builtins.set, which no scene has: refused"),
  0x91: refused("holds a builtins.frozenset, which no scene has: refused"),
  // EXT1, EXT2, EXT4
  0x82: refused(COPYREG),
  0x83: refused(COPYREG),
  0x84: refused(COPYREG),
  // NEXT_BUFFER
  0x97: refused("keeps its arrays outside the file (protocol 5 out-of-band buffers): refused"),
};

function refused(message: string): Opcode {
  return (m) => {
    throw m.fail(message);
  };
}

/** What each opcode does; undefined where there is none of that number. */
export const OPCODES: readonly (Opcode | undefined)[] = Array.from(
  { length: 256 },
  (_, code) => STRUCTURE[code] ?? VALUES[code] ?? CONTAINERS[code] ?? OBJECTS[code],
);
