/** `deno task verify`: does this device compute what PyTorch computes? */

import { fromFileUrl, join } from "@std/path";
import { say, sayJson, warn } from "../../base/terminal.ts";
import { GOLDEN_BARS, type GoldenReport, verifyGolden } from "../../evaluation/golden.ts";
import { Device } from "../../gpu/device.ts";
import { ensureDriver } from "../../gpu/driver.ts";
import { command, type RunCommand } from "../command.ts";
import { reportError } from "../exit.ts";
import { parseVerifyArguments, type VerifyArguments, verifyHelp } from "./arguments.ts";

/** The command. */
export const verify: RunCommand = command(verifyHelp, parseVerifyArguments, run);

async function shippedFiles(): Promise<string[]> {
  const folder = fromFileUrl(new URL("../../../tests/fixtures/golden", import.meta.url));
  const names: string[] = [];
  for await (const { name } of Deno.readDir(folder)) {
    if (name.endsWith(".safetensors")) names.push(name);
  }
  return names.sort().map((name) => join(folder, name));
}

function row(file: string, errors: readonly string[], verdict: string): string {
  return `${file.padEnd(34)} ${errors.map((error) => error.padStart(12)).join(" ")}  ${verdict}`;
}

const KINDS = ["outputs", "losses", "gradients", "history", "params_after"] as const;

function print(report: GoldenReport): void {
  const name = report.file.split(/[\\/]/).at(-1)!;
  const verdict = report.ok ? "ok" : "OUTSIDE THE BAR";
  const moved = report.ok && report.repeats > 0
    ? ` (a max or a ReLU fell on the other of two equal sides; repeated ${report.repeats} times with inputs moved by rounding)`
    : "";
  say(row(name, KINDS.map((kind) => report[kind].toExponential(1)), verdict + moved));
  for (const problem of report.problems) say(`  ${problem}`);
}

async function run(args: Extract<VerifyArguments, { help: false }>): Promise<number> {
  const files = args.files.length > 0 ? args.files : await shippedFiles();
  await ensureDriver(warn);
  using device = await Device.create({ request: args.device });
  if (!args.json) {
    say(`Device: ${device.description}`);
    say(row("largest relative error", [...KINDS], ""));
    say(row("allowed", KINDS.map((kind) => GOLDEN_BARS[kind].toExponential(1)), ""));
  }
  let failed = false;
  for (const file of files) {
    try {
      const report = await verifyGolden(device, file);
      failed ||= !report.ok;
      if (args.json) sayJson(report);
      else print(report);
    } catch (error) {
      failed = true;
      if (args.json) {
        const { message } = error as Error;
        say(JSON.stringify({ file, device: device.description, ok: false, error: message }));
      } else reportError(error);
    }
  }
  return failed ? 1 : 0;
}
