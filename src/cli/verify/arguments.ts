/** The command line of `verify`. */

import { type DeviceRequest, parseDeviceRequest } from "../../gpu/adapter.ts";
import { flagsHelp, type FlagTable, readFlags } from "../flags.ts";

/** What the command line asks for. */
export type VerifyArguments = { readonly help: true } | {
  readonly help: false;
  /** Golden files; none: those that come with the source. */
  readonly files: readonly string[];
  readonly json: boolean;
  readonly device: DeviceRequest;
};

const FLAGS: FlagTable = {
  json: { help: "one JSON object a line: file, device, ok and the largest relative errors" },
  device: { value: "DEVICE", help: "where to compute: auto, gpu, software (auto)" },
  help: { help: "show this help (also -h)" },
};

/** The text of --help. */
export function verifyHelp(): string {
  return `Compare this device with what PyTorch computed: outputs, losses, gradients and trained weights of small
problems. Exit code 1 when a file lies outside the bar or cannot be read.

Usage: deno task verify [--json] [--device auto|gpu|software] [FILE…]

  FILE                   golden files (.safetensors); without one those in tests/fixtures/golden
${flagsHelp(FLAGS)}`;
}

/**
 * Parses the arguments.
 *
 * @throws {UsageError} Says what is wrong with the first flag that is.
 */
export function parseVerifyArguments(args: readonly string[]): VerifyArguments {
  const given = readFlags(args, FLAGS);
  if (given.has("help")) return { help: true };
  return {
    help: false,
    files: given.rest,
    json: given.has("json"),
    device: parseDeviceRequest(given.text("device") ?? "auto"),
  };
}
