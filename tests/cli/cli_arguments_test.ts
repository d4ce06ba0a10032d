import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { UsageError } from "../../src/base/errors.ts";
import { parseTrainArguments, trainHelp } from "../../src/cli/train/arguments.ts";
import { TrainingConfig } from "../../src/run/config.ts";
import { CONFIG_KEY_NAMES } from "../../src/run/config_keys.ts";
import { missingPermissions, yamlTest } from "../support/permissions.ts";

const parse = (line: string) => parseTrainArguments(line.split(" ").filter((word) => word));

/** The problems that a command line gives, without the lines around them. */
function problems(args: string | string[]): string[] {
  const error = assertThrows(
    () => typeof args === "string" ? parse(args) : parseTrainArguments(args),
    UsageError,
  );
  const lines: string[] = error.message.split("\n");
  assertEquals(lines[0], "Cannot understand the command line:");
  assertEquals(lines.at(-1), "--help lists all flags");
  return lines.slice(1, -1).map((line) => line.trimStart());
}

Deno.test("no arguments ask for nothing", () => {
  assertEquals(parse(""), {
    help: false,
    version: false,
    config: undefined,
    resume: undefined,
    initFrom: undefined,
    overrides: [],
  });
});

Deno.test("every flag is understood, in both spellings", () => {
  const expected = {
    help: false,
    version: false,
    config: "a.yaml",
    resume: undefined,
    initFrom: "w.safetensors",
    overrides: [
      { key: "small_mode", text: "true", where: "--small_mode" },
      { key: "data_root", text: "my rooms", where: "--data_root" },
      { key: "num_epochs", text: "3", where: "--epochs" },
      { key: "device", text: "cpu", where: "--device" },
      { key: "seed", text: "-7", where: "--seed" },
      { key: "alpha", text: "2", where: "--set alpha" },
      { key: "encoder_hidden_dims", text: "[8, 8]", where: "--set encoder_hidden_dims" },
    ],
  };
  assertEquals(
    parseTrainArguments([
      ...["--config", "a.yaml", "--init-from", "w.safetensors", "--small_mode"],
      ...["--data_root", "my rooms", "--epochs", "3", "--device", "cpu", "--seed", "-7"],
      ...["--set", "alpha=2", "--set", "encoder_hidden_dims=[8, 8]"],
    ]),
    expected,
  );
  assertEquals(
    parseTrainArguments([
      ...["--config=a.yaml", "--init_from=w.safetensors", "--small-mode"],
      ...["--data-root=my rooms", "--epochs=3", "--device=cpu", "--seed=-7"],
      ...["--set=alpha = 2", "--set=encoder_hidden_dims=[8, 8]"],
    ]),
    expected,
  );
});

Deno.test("--small_mode takes a word or stands alone", () => {
  const text = (line: string) => parse(line).overrides.map((override) => override.text);
  assertEquals(text("--small_mode"), ["true"]);
  assertEquals(text("--small_mode=false"), ["false"]);
  assertEquals(text("--small_mode false"), ["false"]);
  assertEquals(text("--small_mode --epochs 2"), ["true", "2"]);
});

Deno.test("--resume takes a path or means the newest checkpoint", () => {
  assertEquals(parse("--resume").resume, true);
  assertEquals(parse("--resume --epochs 3").resume, true);
  assertEquals(parse("--resume last.safetensors --epochs 3").resume, "last.safetensors");
  assertEquals(parse("--resume=last.safetensors").resume, "last.safetensors");
});

Deno.test("values with an equals sign stay whole", () => {
  const { overrides } = parseTrainArguments(["--set", "data_root=a=b", "--data_root=c=d"]);
  assertEquals(overrides.map(({ text }) => text), ["c=d", "a=b"]);
});

Deno.test("--help and --version need nothing else to be right", () => {
  assertEquals(parse("--help --nonsense").help, true);
  assertEquals(parse("-h").help, true);
  assertEquals(parse("--seed 1 --seed 2 --version").version, true);
});

Deno.test("everything wrong is listed at once", () => {
  assertEquals(
    problems([
      ...["--confg", "a.yaml", "run.yaml", "stray", "seed=3", "-e", "--epoch=3"],
      ...["--batch-size", "4", "--seed", "1", "--seed", "2", "--set", "alpha", "--set", "=2"],
      ...["--help-me", "--resume", "--init-from", "x", "--device"],
    ]),
    [
      "unknown flag --confg; did you mean --config?",
      'unexpected "run.yaml"; did you mean --config run.yaml?',
      'unexpected "stray"; every argument belongs to a flag',
      'unexpected "seed=3"; did you mean --set seed=3?',
      "unknown flag -e; did you mean --set?",
      "unknown flag --epoch; did you mean --epochs?",
      "unknown flag --batch-size; batch_size is a key of the configuration: --set batch_size=VALUE",
      "--seed is given twice; keep one",
      "unknown flag --help-me; did you mean --help?",
      "--device needs a value: --device DEVICE",
      "--resume and --init-from exclude each other; keep one",
      '--set needs KEY=VALUE, such as --set batch_size=4; got "alpha"',
      '--set needs KEY=VALUE, such as --set batch_size=4; got "=2"',
    ],
  );
  assertEquals(problems("--config --epochs 3"), ["--config needs a value: --config FILE"]);
  assertEquals(problems("--config="), ["--config needs a value: --config FILE"]);
  // An empty shell variable is not the newest checkpoint.
  for (const empty of [["--resume", ""], ["--resume="]]) {
    assertEquals(problems(empty), [
      "--resume needs a value: --resume [PATH], or leave it out for the newest; got an empty text",
    ]);
  }
  assertEquals(problems("--"), ["unknown flag --; did you mean --set?"]);
  assertEquals(problems(["--toString"]), ["unknown flag --toString; did you mean --config?"]);
  assertEquals(problems([""]), ['unexpected ""; every argument belongs to a flag']);
});

yamlTest("flags and --set for the same key exclude each other", () => {
  const { overrides } = parse("--epochs 3 --set num_epochs=4 --set seed=1 --set seed=2");
  const error = assertThrows(() => TrainingConfig.fromYaml("", { overrides }), UsageError);
  assertEquals(error.message.split("\n").slice(1), [
    "  --set num_epochs: num_epochs is set by --epochs already; keep one",
    "  --set seed: seed is set by --set seed already; keep one",
  ]);
});

Deno.test("the help names every flag and every key", () => {
  const help = trainHelp();
  for (
    const flag of [
      "--config FILE",
      "--small_mode [BOOL]",
      "--data_root DIR",
      "--epochs N",
      "--device DEVICE",
      "--no-tune",
      "--resume [PATH]",
      "--init-from PATH",
      "--seed N",
      "--set KEY=VALUE",
      "--help",
      "--version",
    ]
  ) assertStringIncludes(help, `  ${flag} `);
  for (const key of CONFIG_KEY_NAMES) assertStringIncludes(help, `    ${key}: `);
  assertStringIncludes(help, "hidden_dim: 96; small_mode: 64");
  for (const line of help.split("\n")) assertEquals(line.length <= 120, true, line);
});

Deno.test("--no-tune turns measuring off, and says so where it is set twice", () => {
  assertEquals(parse("--no-tune").overrides, [{ key: "tune", text: "false", where: "--no-tune" }]);
  assertEquals(parse("--no_tune").overrides, parse("--no-tune").overrides);
  const config = (line: string) =>
    TrainingConfig.fromObject({}, { overrides: parse(line).overrides });
  assertEquals([config("").tune, config("--no-tune").tune], [true, false]);
  assertEquals(problems("--no-tune=yes"), ['--no-tune takes no value, got "yes"']);
  const twice = assertThrows(() => config("--no-tune --set tune=true"), UsageError);
  assertStringIncludes(twice.message, "tune is set by --no-tune already");
});

Deno.test("all that people read goes through one place", {
  ignore: missingPermissions("read"),
}, () => {
  const root = fromFileUrl(new URL("../..", import.meta.url));
  const files = (folder: string): string[] =>
    [...Deno.readDirSync(folder)].flatMap(({ name, isDirectory }) =>
      isDirectory ? files(join(folder, name)) : name.endsWith(".ts") ? [join(folder, name)] : []
    );
  const all = ["src", "tools", "bench"].flatMap((folder) => files(join(root, folder)));
  // The report's page is a browser's; this file is the place itself.
  const others = [join(root, "train.ts"), ...all].filter((path) =>
    !path.includes(join("report", "page")) && !path.endsWith(join("src", "terminal.ts"))
  );
  const wrong = others.filter((path) =>
    /\bconsole\.\w+\(|\bconsole\.(log|error|warn)\b|Deno\.std(out|err)\.write/.test(
      Deno.readTextFileSync(path).replace(/^\s*(\*|\/\/).*$/gm, ""),
    )
  );
  assertEquals(wrong, []);
});
