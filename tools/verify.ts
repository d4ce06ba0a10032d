/** `deno task verify [--json] [FILE…]`: does this device compute what PyTorch computes? */

import { parseArgs } from "@std/cli/parse-args";
import { fromFileUrl, join } from "@std/path";
import { UsageError } from "../src/base/errors.ts";
import { GOLDEN_BARS, type GoldenReport, verifyGolden } from "../src/evaluation/golden.ts";
import { reportError, runMain } from "../src/cli/exit.ts";
import { Device } from "../src/gpu/device.ts";
import { ensureDriver } from "../src/gpu/driver.ts";
import { parseDeviceRequest } from "../src/gpu/adapter.ts";
import { say, sayJson, warn } from "../src/base/terminal.ts";

const HELP =
  `Compare this device with what PyTorch computed: outputs, losses, gradients and trained weights of small
problems. Exit code 1 when a file lies outside the bar or cannot be read.

Usage: deno task verify [--json] [--device auto|gpu|software] [FILE…]

  FILE       golden files (.safetensors); without one those in tests/fixtures/golden
  --json     one JSON object a line: file, device, ok and the largest relative errors
  --device   where to compute; default auto`;

async function shippedFiles(): Promise<string[]> {
  const folder = fromFileUrl(new URL("../tests/fixtures/golden", import.meta.url));
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
    ? ` (a max fell on another of two equal points; repeated ${report.repeats} times with inputs moved by rounding)`
    : "";
  say(row(name, KINDS.map((kind) => report[kind].toExponential(1)), verdict + moved));
  for (const problem of report.problems) say(`  ${problem}`);
}

if (import.meta.main) {
  await runMain(async () => {
    const args = parseArgs(Deno.args, {
      boolean: ["json", "help"],
      string: ["device"],
      alias: { h: "help" },
      unknown: (arg: string) => {
        if (arg.startsWith("-")) throw new UsageError(`Unknown flag ${arg}.\n\n${HELP}`);
      },
    });
    if (args.help) {
      say(HELP);
      return 0;
    }
    const request = parseDeviceRequest(args.device ?? "auto");
    const files = args._.length > 0 ? args._.map(String) : await shippedFiles();
    await ensureDriver(warn);
    using device = await Device.create({ request });
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
          say(
            JSON.stringify({ file, device: device.description, ok: false, error: message }),
          );
        } else reportError(error);
      }
    }
    return failed ? 1 : 0;
  });
}
