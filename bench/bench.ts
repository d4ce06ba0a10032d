/** `deno task bench`: training steps on this device, against its own multiply-add peak. */

import { say as sayOut, sayJson, warn as say } from "../src/base/terminal.ts";
import { runMain } from "../src/cli/exit.ts";
import { Device } from "../src/gpu/device.ts";
import { ensureDriver } from "../src/gpu/driver.ts";
import { type BenchArguments, benchHelp, parseBenchArguments } from "./arguments.ts";
import { kernelsAlone, speedTable } from "./kernels.ts";
import { hasTimestamps, measureTick } from "./profile.ts";
import {
  type BenchResult,
  benchResult,
  kernelTable,
  phaseTable,
  PROBLEM_HEAD,
  problemRow,
  resultLines,
} from "./report.ts";
import {
  configuration,
  type Problem,
  profileSteps,
  type StepProfile,
  timeSteps,
  warmWorkload,
} from "./step.ts";
import { fmaPeak, markdownTable, spread, textTable } from "./support.ts";
import { sweep, sweepLine, sweepTable } from "./sweep.ts";

type Asked = Extract<BenchArguments, { help: false }>;

interface Measured {
  readonly result: BenchResult;
  readonly profile: StepProfile;
}

const print = (...blocks: string[]) => sayOut(blocks.join("\n\n"));
const SWEEPS = ["points", "regions", "depth"] as const;

async function measure(
  device: Device,
  problem: Problem,
  tickMs: number | null,
): Promise<Measured> {
  using work = await warmWorkload(device, problem);
  const times = await timeSteps(device, work);
  const profile = await profileSteps(device, work, tickMs);
  const peak = spread(profile.peaks).median;
  return { result: benchResult(device, work, times, profile, peak), profile };
}

async function printSteps(device: Device, { problem, json }: Asked, tickMs: number | null) {
  const { result } = await measure(device, problem, tickMs);
  if (json) sayJson(result);
  else print(resultLines(result), textTable(phaseTable(result)));
}

async function printKernels(device: Device, { problem, json }: Asked, tickMs: number | null) {
  const { result, profile } = await measure(device, problem, tickMs);
  const alone = await kernelsAlone(device, configuration(problem.config), tickMs);
  if (json) {
    const { kernels } = profile;
    sayJson({ ...result, kernels, kernels_alone: alone });
    return;
  }
  if (!profile.timestamps) {
    say("The device has no timestamps: kernels of a step cannot be told apart.");
  }
  print(
    result.device,
    ...(profile.timestamps ? [textTable(kernelTable(profile))] : []),
    textTable(speedTable(alone, result.fma_peak_gflops)),
  );
}

async function printSweep(device: Device, { problem, maxPoints, json }: Asked) {
  const sweeps = [];
  for (const over of SWEEPS) sweeps.push(await sweep(device, over, problem, maxPoints, say));
  if (json) {
    sayJson({ device: device.description, sweeps });
    return;
  }
  print(
    device.description,
    ...sweeps.flatMap((one) => [textTable(sweepTable(one)), sweepLine(one)]),
  );
}

const FULL = { config: "full", scenes: 1, depth: 4, fused: true, points: 100_000 } as const;
const SMALL = { config: "small", scenes: 2, depth: 2, fused: true, points: 20_000 } as const;
/** The problems of docs/performance.md. */
const PROBLEMS = [
  { title: "full sizes, 1 scene of 100,000 points, depth 4", flags: "", ...FULL },
  { title: "small mode, 2 scenes of 20,000 points, depth 2", flags: " --config small", ...SMALL },
  {
    title: "small mode, 2 scenes of 64 points",
    flags: " --config small --points 64",
    ...SMALL,
    points: 64,
  },
  {
    title: "full sizes, 1 scene of 20,000 points",
    flags: " --points 20000",
    ...FULL,
    points: 20_000,
  },
  {
    title: "the same with plain operations",
    flags: " --points 20000 --fused off",
    ...FULL,
    points: 20_000,
    fused: false,
  },
] as const;

/** Each table as soon as it is measured: all of them take a quarter of an hour and more. */
async function printTables(device: Device, asked: Asked, tickMs: number | null) {
  const { steps } = asked.problem;
  const rows: string[][] = [[...PROBLEM_HEAD]];
  let first: Measured | null = null;
  print(`Device: \`${device.description}\`. ${steps} samples of each.\n`);
  for (const { title, flags, ...problem } of PROBLEMS) {
    say(title);
    const measured = await measure(device, { ...problem, steps }, tickMs);
    rows.push(problemRow(title, `deno task bench${flags}`, measured.result));
    first ??= measured;
  }
  const { result, profile } = first!;
  print(markdownTable(rows), "Phases of the first row:", `${markdownTable(phaseTable(result))}\n`);
  if (profile.timestamps) print("Its kernels:", `${markdownTable(kernelTable(profile))}\n`);
  say("kernels alone");
  const alone = await kernelsAlone(device, configuration("full"), tickMs);
  const peak = Math.max(result.fma_peak_gflops, await fmaPeak(device));
  print("Kernels alone:", `${markdownTable(speedTable(alone, peak))}\n`);
  for (const over of SWEEPS) {
    const one = await sweep(device, over, { ...FULL, steps }, asked.maxPoints, say);
    print(sweepLine(one), `${markdownTable(sweepTable(one))}\n`);
  }
}

if (import.meta.main) {
  await runMain(async () => {
    const asked = parseBenchArguments(Deno.args);
    if (asked.help) {
      sayOut(benchHelp());
      return 0;
    }
    await ensureDriver(say);
    using device = await Device.create({ request: asked.device });
    const tickMs = hasTimestamps(device) ? await measureTick(device) : null;
    const modes = {
      steps: printSteps,
      kernels: printKernels,
      sweep: printSweep,
      tables: printTables,
    };
    await modes[asked.mode](device, asked, tickMs);
    return 0;
  });
}
