/**
 * Python pickles, protocols 0 to 5, read as data. The interpreter knows the opcodes that build
 * plain values and calls nothing but the constructors its caller lists; any other name is refused
 * where it is met, before anything is made of it. It never recurses, and its work and memory are
 * bounded by the file's size.
 */

import { PickleMachine, type UnpickleOptions } from "./pickle_machine.ts";
import { OPCODES } from "./pickle_opcodes.ts";
import type { PickleValue } from "./pickle_values.ts";

/**
 * Reads one pickle; `end` is the byte after its STOP.
 * @throws {DataError} naming the byte, when the pickle is damaged or holds something that is not
 * data.
 */
export function unpickle(
  bytes: Uint8Array,
  options: UnpickleOptions,
): { readonly value: PickleValue; readonly end: number } {
  const machine = new PickleMachine(bytes, options);
  while (machine.result === undefined) {
    const code = machine.nextOpcode();
    const run = OPCODES[code];
    if (run === undefined) {
      const name = `0x${code.toString(16).padStart(2, "0")}`;
      throw machine.fail(`not a pickle, or a damaged one: opcode ${name} is unknown`);
    }
    run(machine);
  }
  return machine.result;
}
