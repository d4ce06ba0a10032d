/** The commands of the program. Each is loaded when it is run. */

import type { RunCommand } from "./command.ts";
import { runMain } from "./exit.ts";

/** One command. */
export interface CommandEntry {
  /** What it does and the flags it cannot do without, in one line. */
  readonly summary: string;
  /** Loads it. */
  readonly load: () => Promise<RunCommand>;
}

/** The commands by name; `deno task NAME` runs one. */
export const COMMANDS = {
  train: {
    summary: "Pre-train an encoder: --config FILE, --help for all flags",
    load: async () => (await import("./train/command.ts")).train,
  },
  preprocess: {
    summary:
      "Make training scenes of scans and meshes: --input PATH… --output DIR, --help for all flags",
    load: async () => (await import("./preprocess/command.ts")).preprocess,
  },
  inspect: {
    summary: "Say what is in point cloud files and scenes: [--json] FILE|DIR …",
    load: async () => (await import("./inspect/command.ts")).inspect,
  },
  embed: {
    summary:
      "Features of scenes and scans: --checkpoint PATH --input PATH… --output DIR, --help for all flags",
    load: async () => (await import("./embed/command.ts")).embed,
  },
  evaluate: {
    summary:
      "Say what a checkpoint's features are worth: --checkpoint PATH --data DIR, --help for all flags",
    load: async () => (await import("./evaluate/command.ts")).evaluate,
  },
  report: {
    summary:
      "Make a page of runs: curves, settings, scenes by their features: RUN_DIR…, --help for all flags",
    load: async () => (await import("./report/command.ts")).report,
  },
  verify: {
    summary: "Compare this device with PyTorch's golden numbers: [--json] [FILE…]",
    load: async () => (await import("./verify/command.ts")).verify,
  },
} satisfies Readonly<Record<string, CommandEntry>>;

/** Runs a command with the process's arguments, and ends the process with its exit code. */
export async function runCommand(name: keyof typeof COMMANDS): Promise<never> {
  return await runMain(async () => {
    const run: RunCommand = await COMMANDS[name].load();
    return await run(Deno.args);
  });
}
