/** `deno task bench`: training steps on this device, against its own multiply-add peak. */

import { parseArgs } from "@std/cli/parse-args";
import { makeTrainingBatch } from "../src/data/loader.ts";
import { Random } from "../src/data/random.ts";
import { SyntheticDataset } from "../src/data/synthetic.ts";
import { featureMetrics } from "../src/dbbd/metrics.ts";
import { Model } from "../src/dbbd/model.ts";
import { uploadBatch } from "../src/dbbd/region_batch.ts";
import { UsageError } from "../src/errors.ts";
import { runMain } from "../src/exit.ts";
import { parseDeviceRequest } from "../src/gpu/adapter.ts";
import { Device } from "../src/gpu/device.ts";
import { ensureDriver } from "../src/gpu/driver.ts";
import { AdamW } from "../src/nn/adamw.ts";
import { rowIndex } from "../src/tensor/mod.ts";
import { TrainingConfig } from "../src/training/config.ts";
import { fmaPeak, type Spread, spread, timed } from "./support.ts";

const HELP = `Time training steps on synthetic rooms.

Usage: deno task bench [--points N] [--scenes N] [--depth N] [--config small|full] [--fused on|off]
                       [--steps N] [--device auto|gpu|software] [--json]

  --points   points a scene; default 100000 (full), 20000 (small)
  --scenes   scenes a step; default 1 (full), 2 (small)
  --depth    depth of the region trees; default 4 (full), 2 (small)
  --config   the full encoder, or small_mode's; default full
  --fused    the fused kernels, or the plain operations; default on
  --steps    steps measured after 2 for warming up; default 10
  --json     one JSON object`;

interface BenchOptions {
  readonly points: number;
  readonly scenes: number;
  readonly depth: number;
  readonly small: boolean;
  readonly fused: boolean;
  readonly steps: number;
}

/** What `--json` prints. */
interface BenchResult {
  readonly device: string;
  readonly points: number;
  readonly regions: number;
  readonly step_ms: Spread;
  readonly upload_ms: Spread;
  readonly encoder_forward_ms: Spread;
  readonly points_per_second: number;
  readonly fma_peak_gflops: number;
  readonly encoder_forward_gflops: number;
  readonly encoder_forward_share_of_peak: number;
  readonly peak_device_bytes: number;
  readonly dispatches: number;
  readonly submissions: number;
}

/** Multiply-adds a point costs in the merged encoder: from raw features, and below a parent. */
function multiplyAdds(config: TrainingConfig): { raw: number; propagated: number } {
  const {
    input_feat_dim: C,
    hidden_dim: H,
    output_dim: D,
    encoder_hidden_dims,
    propagator_hidden_dim: P,
    propagator_num_layers,
  } = config;
  const widths = [H, ...encoder_hidden_dims, D];
  let backbone = 3 * widths[1];
  for (let i = 1; i < widths.length; i++) backbone += widths[i - 1] * widths[i];
  return {
    raw: C * H + backbone,
    propagated: 3 * P + (propagator_num_layers - 2) * P * P + (P + C) * H + backbone,
  };
}

async function bench(device: Device, options: BenchOptions): Promise<BenchResult> {
  const { points, scenes, depth, small, fused, steps } = options;
  const config = TrainingConfig.fromObject({ small_mode: small, dataset: "synthetic" });
  const train = new SyntheticDataset({ scenes, seed: 1, points, maxDepth: depth });
  const batch = await makeTrainingBatch(train, Array.from({ length: scenes }, (_, i) => i), {
    seed: 1,
    epoch: 0,
    step: 0,
    augmentation: config.augmentation,
    maxHierarchyDepth: depth,
    featureWidth: config.input_feat_dim,
  });
  const peak = await fmaPeak(device);
  device.pool.trim();
  device.pool.resetPeak();
  using model = new Model(device, config, { fused, steps: Infinity });
  model.parameters.initialise(1);
  using optimiser = new AdamW(model.parameters);
  const upload: number[] = [];
  const forward: number[] = [];
  const whole: number[] = [];
  let counters = { ...device.counters };
  const total = batch.pointCount;
  for (let i = -2; i < steps; i++) {
    {
      // Forward alone, for its share of the peak.
      using _ = device.scope();
      const deviceBatch = uploadBatch(device, batch);
      const ms = await timed(device, () => void model.encode(deviceBatch));
      if (i >= 0) forward.push(ms);
    }
    counters = { ...device.counters };
    const start = performance.now();
    using _ = device.scope();
    const deviceBatch = uploadBatch(device, batch);
    if (i >= 0) upload.push(performance.now() - start);
    const count = config.point_num_samples;
    const rows = total > count
      ? rowIndex(device, new Random(1, "sample", i).sampleWithoutReplacement(total, count), total)
      : null;
    model.parameters.zeroGradients();
    const output = model.encode(deviceBatch);
    const losses = model.losses(output, rows);
    optimiser.step(config.learning_rate, losses.total.backward());
    featureMetrics(output.g2l.points, output.l2g.points);
    await losses.total.item();
    if (i >= 0) whole.push(performance.now() - start);
    device.pool.tick();
  }
  const { raw, propagated } = multiplyAdds(config);
  const rowsOf = (level: (typeof batch.levels)[number]) =>
    level.end.reduce((sum, end, r) => sum + end - level.start[r], 0);
  const below = batch.levels.slice(1).reduce((sum, level) => sum + rowsOf(level), 0);
  const operations = 2 * (raw * 2 * total + propagated * below);
  const step = spread(whole);
  const gflops = operations / spread(forward).median / 1e6;
  return {
    device: device.description,
    points: total,
    regions: batch.levels.reduce((sum, level) => sum + level.start.length, 0),
    step_ms: step,
    upload_ms: spread(upload),
    encoder_forward_ms: spread(forward),
    points_per_second: total / step.median * 1000,
    fma_peak_gflops: peak,
    encoder_forward_gflops: gflops,
    encoder_forward_share_of_peak: gflops / peak,
    peak_device_bytes: device.pool.usage.peak,
    dispatches: device.counters.dispatches - counters.dispatches,
    submissions: device.counters.submissions - counters.submissions,
  };
}

function positive(name: string, text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise;
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) {
    throw new UsageError(`--${name}: expected a whole number of at least 1, got ${text}`);
  }
  return value;
}

function choice(name: string, text: string, values: readonly string[]): string {
  if (!values.includes(text)) {
    throw new UsageError(`--${name}: expected ${values.join(" or ")}, got ${text}`);
  }
  return text;
}

function print(result: BenchResult): void {
  const ms = ({ median, min, max }: Spread) =>
    `${median.toFixed(1)} ms (${min.toFixed(1)} to ${max.toFixed(1)})`;
  const lines: [string, string][] = [
    ["device", result.device],
    ["points, regions", `${result.points}, ${result.regions}`],
    ["step", ms(result.step_ms)],
    ["  of it building and uploading indices", ms(result.upload_ms)],
    ["encoder, both branches forward", ms(result.encoder_forward_ms)],
    ["points per second", result.points_per_second.toFixed(0)],
    ["multiply-add peak", `${result.fma_peak_gflops.toFixed(1)} GFLOP/s`],
    [
      "encoder forward",
      `${result.encoder_forward_gflops.toFixed(1)} GFLOP/s, ` +
      `${(100 * result.encoder_forward_share_of_peak).toFixed(1)} % of the peak`,
    ],
    ["device memory, most", `${(result.peak_device_bytes / 1e6).toFixed(0)} MB`],
    ["dispatches, submissions", `${result.dispatches}, ${result.submissions}`],
  ];
  for (const [name, value] of lines) console.log(`${name.padEnd(42)}${value}`);
}

if (import.meta.main) {
  await runMain(async () => {
    const args = parseArgs(Deno.args, {
      boolean: ["json", "help"],
      string: ["points", "scenes", "depth", "config", "fused", "steps", "device"],
      default: { config: "full", fused: "on", device: "auto" },
      alias: { h: "help" },
      unknown: (arg: string) => {
        throw new UsageError(`Unknown argument ${arg}.\n\n${HELP}`);
      },
    });
    if (args.help) {
      console.log(HELP);
      return 0;
    }
    const small = choice("config", args.config, ["small", "full"]) === "small";
    await ensureDriver((line) => console.error(line));
    using device = await Device.create({ request: parseDeviceRequest(args.device) });
    const result = await bench(device, {
      small,
      fused: choice("fused", args.fused, ["on", "off"]) === "on",
      points: positive("points", args.points, small ? 20000 : 100000),
      scenes: positive("scenes", args.scenes, small ? 2 : 1),
      depth: positive("depth", args.depth, small ? 2 : 4),
      steps: positive("steps", args.steps, 10),
    });
    if (args.json) console.log(JSON.stringify(result));
    else print(result);
    return 0;
  });
}
