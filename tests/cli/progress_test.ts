import { assert, assertEquals } from "@std/assert";
import { Progress, type ProgressOptions } from "../../src/cli/train/progress.ts";

/** A progress with an output that keeps what is written, and a clock that the test turns. */
function setUp(
  isTerminal: boolean,
  options: Partial<ProgressOptions> = {},
): { progress: Progress; written: string[]; clock: { ms: number }; screen: { columns: number } } {
  const written: string[] = [];
  const clock = { ms: 0 };
  const screen = { columns: 80 };
  const progress = new Progress({
    epochs: 3,
    steps: 30,
    logInterval: 10,
    color: false,
    output: {
      isTerminal,
      columns: () => screen.columns,
      write: (text) => written.push(text),
    },
    now: () => clock.ms,
    ...options,
  });
  return { progress, written, clock, screen };
}

/** What a terminal shows after the writes, one string a line. */
function shown(written: readonly string[]): string[] {
  const lines = [""];
  let column = 0;
  for (const char of written.join("")) {
    const line = lines[lines.length - 1];
    if (char === "\r") column = 0;
    else if (char === "\n") {
      lines.push("");
      column = 0;
    } else {
      lines[lines.length - 1] = line.slice(0, column) + char + line.slice(column + 1);
      column++;
    }
  }
  return lines.map((line) => line.trimEnd());
}

Deno.test("off a terminal there is one plain line each log_interval, and one at the end", () => {
  const { progress, written, clock } = setUp(false, { steps: 25 });
  for (let step = 1; step <= 25; step++) {
    clock.ms = step * 2000;
    progress.step({
      epoch: Math.ceil(step / 10),
      step,
      loss: 5 / step,
      pointsPerSecond: 12345 * step,
    });
  }
  progress.finish();
  assertEquals(written, [
    "epoch 1/3  step 10/25  loss 0.5000  123.5k points/s  0:30 left\n",
    "epoch 2/3  step 20/25  loss 0.2500  246.9k points/s  0:10 left\n",
    "epoch 3/3  step 25/25  loss 0.2000  308.6k points/s  0:00 left\n",
  ]);
});

Deno.test("on a terminal it stays one line, drawn at most ten times a second", () => {
  const { progress, written, clock } = setUp(true);
  for (let step = 1; step <= 30; step++) {
    clock.ms = step * 20;
    progress.step({ epoch: 1, step, loss: 1, pointsPerSecond: 2.5e6 });
  }
  assertEquals(written.length, 6 + 1); // at 20, 120, … 520 ms, and the last step
  assert(written.every((text) => text.startsWith("\r") && !text.includes("\n")));
  progress.finish();
  assertEquals(shown(written), [
    "epoch 1/3  step 30/30  loss 1.0000  2.50M points/s  0:00 left",
    "",
  ]);
});

Deno.test("the line is clipped to the terminal's width, colours not counted", () => {
  const full = "epoch 1/3  step 1/30  loss -2.0000  10 points/s  0:29 left";
  for (const columns of [200, 40, 12, 1, 0]) {
    const { progress, written, clock, screen } = setUp(true, { color: true });
    screen.columns = columns;
    clock.ms = 1000;
    progress.step({ epoch: 1, step: 1, loss: -2, pointsPerSecond: 10 });
    // deno-lint-ignore no-control-regex
    const visible = written.join("").replace(/\x1b\[\d+m|\r/g, "");
    assertEquals(visible, full.slice(0, Math.max(columns - 1, 0)));
    if (columns === 200) assert(written[0].includes("\x1b[1m  loss -2.0000\x1b[0m"));
  }
});

Deno.test("a shorter line leaves nothing of a longer one", () => {
  const { progress, written, clock } = setUp(true);
  progress.step({ epoch: 1, step: 1, loss: 12345.678, pointsPerSecond: 999 });
  clock.ms = 5000;
  progress.step({ epoch: 1, step: 2, loss: 1 });
  assertEquals(shown(written), ["epoch 1/3  step 2/30  loss 1.0000  1:10 left"]);
});

Deno.test("messages stand above the line, which is drawn again", () => {
  const { progress, written, clock } = setUp(true);
  progress.message("device: software");
  clock.ms = 1000;
  progress.step({ epoch: 1, step: 1 });
  progress.message("saved");
  progress.message("a");
  progress.finish();
  progress.message("done");
  assertEquals(shown(written), [
    "device: software",
    "saved",
    "a",
    "epoch 1/3  step 1/30  0:29 left",
    "done",
    "",
  ]);
  const plain = setUp(false);
  plain.progress.message("saved");
  plain.progress.finish();
  assertEquals(plain.written, ["saved\n"]);
});

Deno.test("finish shows the latest step, though it came too soon to be drawn", () => {
  const { progress, written, clock } = setUp(true);
  progress.step({ epoch: 1, step: 1 });
  clock.ms = 10;
  progress.step({ epoch: 1, step: 2 });
  progress.finish();
  progress.finish();
  assertEquals(shown(written), ["epoch 1/3  step 2/30  0:00 left", ""]);
});

Deno.test("a run that goes on counts its own steps for the time left", () => {
  const { progress, written, clock } = setUp(false, { steps: 2000, stepsBefore: 1000 });
  clock.ms = 3_600_000;
  progress.step({ epoch: 2, step: 1500, loss: NaN });
  assertEquals(written, ["epoch 2/3  step 1500/2000  loss NaN  1:00:00 left\n"]);
});
