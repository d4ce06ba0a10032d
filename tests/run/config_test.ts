import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { UsageError } from "../../src/base/errors.ts";
import { CONFIG_KEY_NAMES, type ConfigValues } from "../../src/run/config_keys.ts";
import { type ConfigOverride, TrainingConfig } from "../../src/run/config.ts";
import { missingPermissions, yamlTest } from "../support/permissions.ts";

/** The table of docs/model.md, Configuration. */
const DEFAULTS: Partial<ConfigValues> = {
  small_mode: false,
  input_feat_dim: 3,
  hidden_dim: 96,
  output_dim: 96,
  encoder_hidden_dims: [64, 128],
  encoder_pooling: "max",
  backbone: "pointnet",
  propagator_hidden_dim: 128,
  propagator_num_layers: 2,
  propagator_coords: "plain",
  aggregator_mode: "max",
  aggregator_use_spatial: true,
  projection_dim: 128,
  temperature: 0.1,
  alpha: 1,
  beta: 0.5,
  point_num_samples: 4096,
  learning_rate: 0.001,
  weight_decay: 0.01,
  scheduler_type: "cosine",
  T_max: 100,
  eta_min: 0.00001,
  num_epochs: 100,
  batch_size: 8,
  num_workers: 4,
  checkpoint_dir: "checkpoints",
  log_dir: "runs",
  save_interval: 10,
  log_interval: 100,
  eval_interval: 5,
  verbose: true,
  data_root: "datasets/scannet",
  max_train_scenes: null,
  max_val_scenes: null,
  max_hierarchy_depth: null,
  device: "auto",
  seed: 42,
  use_amp: true,
  use_gradient_checkpoint: true,
};

const SMALL: Partial<ConfigValues> = {
  small_mode: true,
  hidden_dim: 64,
  output_dim: 64,
  encoder_hidden_dims: [32, 64],
  propagator_hidden_dim: 64,
  projection_dim: 64,
  point_num_samples: 512,
  batch_size: 2,
  num_workers: 0,
  max_train_scenes: 4,
  max_val_scenes: 2,
  max_hierarchy_depth: 2,
};

/** The lines after the first of the error that `text` gives. */
function problems(text: string, overrides: ConfigOverride[] = []): string[] {
  const error = assertThrows(
    () => TrainingConfig.fromYaml(text, { file: "my.yaml", overrides }),
    UsageError,
  );
  const [head, ...lines] = error.message.split("\n");
  const count = lines.length === 1 ? "1 problem" : `${lines.length} problems`;
  assertEquals(head, `Cannot use this configuration: ${count}`);
  return lines.map((line: string) => line.replace(/^ {2}/, ""));
}

function set(key: string, text: string): ConfigOverride {
  return { key, text, where: `--set ${key}` };
}

yamlTest("an empty file, a comment alone and null give the contract's defaults", () => {
  for (const text of ["", "# nothing\n", "---\n", "null\n", "{}", "\uFEFF"]) {
    const config = TrainingConfig.fromYaml(text);
    for (const [key, value] of Object.entries(DEFAULTS)) {
      assertEquals(config[key as keyof ConfigValues], value, key);
    }
    assertEquals(config.dataset, "scenes");
    assertEquals(config.explicit.size, 0);
  }
  assertEquals(TrainingConfig.defaults(), TrainingConfig.fromYaml(""));
});

yamlTest("small_mode changes what nobody set and nothing else", () => {
  const config = TrainingConfig.fromYaml("small_mode: true");
  for (const [key, value] of Object.entries({ ...DEFAULTS, ...SMALL })) {
    assertEquals(config[key as keyof ConfigValues], value, key);
  }
  assertEquals(config.dataset, "synthetic");
  assertEquals(config.synthetic_points, 2048);
});

yamlTest("an explicit value wins over small_mode, also one equal to the full default", () => {
  const text = "small_mode: true\nhidden_dim: 96\nmax_hierarchy_depth: null\nbatch_size: 8\n";
  const config = TrainingConfig.fromYaml(text, {
    overrides: [set("encoder_hidden_dims", "[64, 128]")],
  });
  assertEquals(config.hidden_dim, 96);
  assertEquals(config.max_hierarchy_depth, null);
  assertEquals(config.batch_size, 8);
  assertEquals(config.encoder_hidden_dims, [64, 128]);
  assertEquals(config.output_dim, 64);
  assertEquals(
    [...config.explicit].sort(),
    ["batch_size", "encoder_hidden_dims", "hidden_dim", "max_hierarchy_depth", "small_mode"],
  );
  // small_mode itself may come from the command line and still loses to the file.
  const flagged = TrainingConfig.fromYaml("hidden_dim: 96", {
    overrides: [{ key: "small_mode", text: "true", where: "--small_mode" }],
  });
  assertEquals([flagged.hidden_dim, flagged.output_dim], [96, 64]);
});

yamlTest("small_mode trains on synthetic scenes unless data_root or dataset says otherwise", () => {
  const dataset = (text: string) => TrainingConfig.fromYaml(text).dataset;
  assertEquals(dataset("small_mode: true"), "synthetic");
  assertEquals(dataset("small_mode: true\ndata_root: rooms"), "scenes");
  assertEquals(dataset("small_mode: true\ndata_root: datasets/scannet"), "scenes");
  assertEquals(dataset("small_mode: true\ndataset: scenes"), "scenes");
  assertEquals(dataset("data_root: rooms\ndataset: synthetic"), "synthetic");
  assertEquals(dataset("small_mode: false"), "scenes");
  const flag = [{ key: "data_root", text: "rooms", where: "--data_root" }];
  assertEquals(
    TrainingConfig.fromYaml("small_mode: true", { overrides: flag }).dataset,
    "scenes",
  );
});

yamlTest("what the PyTorch implementation's YAML loader reads is read the same", () => {
  const config = TrainingConfig.fromYaml(
    "learning_rate: 1e-4\neta_min: 1.0e-6\ndevice: cuda\nverbose: yes\nuse_amp: Off\n" +
      'temperature: .07\r\nmax_train_scenes: ~\nmax_val_scenes:\nscheduler_type: "none"\n' +
      "encoder_hidden_dims:\n  - 48\n  - 0x10\nbatch_size: 2.0\nalpha: 0\n",
  );
  assertEquals(config.learning_rate, 1e-4);
  assertEquals(config.eta_min, 1e-6);
  assertEquals(config.device, "gpu");
  assertEquals([config.verbose, config.use_amp], [true, false]);
  assertEquals(config.temperature, 0.07);
  assertEquals([config.max_train_scenes, config.max_val_scenes], [null, null]);
  assertEquals(config.scheduler_type, "none");
  assertEquals(config.encoder_hidden_dims, [48, 16]);
  assertEquals([config.batch_size, config.alpha], [2, 0]);
  assertEquals(TrainingConfig.fromYaml("device: cpu").device, "software");
  assertEquals(TrainingConfig.fromYaml("fused: off").fused, "off");
  assertEquals(TrainingConfig.fromYaml("fused: true").fused, "on");
  assertEquals(
    TrainingConfig.fromYaml("a: &w [8, 8]".replace("a", "encoder_hidden_dims"))
      .encoder_hidden_dims,
    [8, 8],
  );
});

yamlTest("a file with many mistakes gives one list with line, column, found and allowed", () => {
  const text = `# a comment
hiden_dim: 96
hidden_dim: "96"
temperature: 0
batch_size: 2.5
encoder_pooling: avg
encoder_hidden_dims: [64, -1]
num_workers:   1_000
  # indented comment
seed: 12345678901234567890
learning_rate: .nan
eta_min: .inf
device: tpu
backbone: ptv3
epochs: 3
propagator_num_layers: 1
log_dir: ""
use_amp: maybe
max_train_scenes: 0
checkpoint_dir: null
data_root: {a: 1}
`;
  assertEquals(problems(text), [
    'my.yaml:2:1: unknown key "hiden_dim"; did you mean hidden_dim?',
    'my.yaml:3:13: hidden_dim: expected an integer from 1 to 16384; found "96"',
    "my.yaml:4:14: temperature: expected a number above 0; found 0",
    "my.yaml:5:13: batch_size: expected an integer from 1 to 65536; found 2.5",
    'my.yaml:6:18: encoder_pooling: expected one of max, mean; found "avg"',
    "my.yaml:7:22: encoder_hidden_dims: expected a list of integers from 1 to 16384, " +
    "such as [64, 128]; found [64,-1]",
    'my.yaml:8:16: num_workers: expected an integer from 0 to 256; found "1_000"',
    "my.yaml:10:7: seed: expected an integer from 0 to 4294967295; found 12345678901234567000",
    "my.yaml:11:16: learning_rate: expected a number above 0; found NaN",
    "my.yaml:12:10: eta_min: expected a number of at least 0; found Infinity",
    "my.yaml:13:9: device: expected one of auto, gpu, software (cuda = gpu, cpu = software); " +
    'found "tpu"',
    'my.yaml:14:11: backbone: expected one of pointnet, spunet; found "ptv3"',
    'my.yaml:15:1: unknown key "epochs"; did you mean num_epochs?',
    "my.yaml:16:24: propagator_num_layers: expected an integer from 2 to 64; found 1",
    'my.yaml:17:10: log_dir: expected text that is not empty; found ""',
    'my.yaml:18:10: use_amp: expected true or false; found "maybe"',
    "my.yaml:19:19: max_train_scenes: expected an integer of at least 1, or null; found 0",
    "my.yaml:20:17: checkpoint_dir: expected text that is not empty; found null",
    'my.yaml:21:12: data_root: expected text that is not empty; found {"a":1}',
  ]);
});

yamlTest("broken YAML is told with its place", () => {
  const cases: [text: string, ...expected: string[]][] = [
    ["seed: 1\nbatch_size: 2\nseed: 2\n", "my.yaml:3:1: this key stands in the file twice"],
    ["- 1\n- 2\n", "my.yaml:1:1: expected a mapping of keys to values"],
    ["just words", 'my.yaml:1:1: expected a mapping of keys to values ("key: value" lines), found'],
    ["seed: 1\n\tbatch_size: 2\n", "my.yaml:2:1: not YAML: Tabs are not allowed"],
    ["encoder_hidden_dims: [1,\nseed: 2\n", "my.yaml:2:1: not YAML: Flow sequence"],
    ["seed: 1\n---\nseed: 2\n", "my.yaml:2:1: expected one YAML document"],
    ["seed: *nothing\n", "my.yaml:1:7: Unresolved alias"],
    ["1: 2\n", 'my.yaml:1:1: expected a key that is plain text, found "1"'],
    ["? [a]\n: 2\n", "my.yaml:1:3: expected a key that is plain text"],
    ["run_name: !!python/object x\n", "my.yaml:1:11: not YAML: Unresolved tag"],
    ["__proto__: 1\n", 'my.yaml:1:1: unknown key "__proto__"'],
    ["toString: 1\n", 'my.yaml:1:1: unknown key "toString"'],
    ["seed: \0", "my.yaml: expected a YAML text of settings"],
  ];
  for (const [text, expected] of cases) {
    const found = problems(text);
    assertEquals(found.length, 1, found.join("\n"));
    assertStringIncludes(found[0], expected);
  }
  assertEquals(problems("sed: 1\nalpha: [\n").map((line) => line.slice(0, 12)), [
    "my.yaml:1:1:",
    "my.yaml:2:8:",
    "my.yaml:3:1:",
  ]);
});

yamlTest("aliases of aliases, deep nesting and giant texts are refused, not expanded", () => {
  let bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n";
  for (const [at, from] of ["ba", "cb", "dc", "ed", "fe", "gf", "hg", "ih"]) {
    bomb += `${at}: &${at} [${Array(9).fill(`*${from}`).join(", ")}]\n`;
  }
  assert(problems(bomb).some((line) => line.includes("alias")));
  assert(problems("seed: " + "[".repeat(50_000)).length >= 1);
  assertEquals(problems("#".repeat(2_000_000)).length, 1);
});

yamlTest("values that contradict each other are found with the rest", () => {
  assertEquals(
    problems("aggregator_mode: attention\noutput_dim: 30\nalpha: 0\nbeta: 0.0\nbetaa: 1"),
    [
      "my.yaml:2:13: output_dim: expected a multiple of 4 for the 4 heads of aggregator_mode " +
      "attention; found 30",
      "my.yaml:3:8: alpha and beta: expected at least one above 0; found 0 and 0",
      'my.yaml:5:1: unknown key "betaa"; did you mean beta?',
    ],
  );
  assertEquals(problems("points_per_view: 256"), [
    "my.yaml:1:18: points_per_view: views that draw their own points have none in common for the point " +
    "loss; expected beta 0; found 0.5",
  ]);
  assertEquals(TrainingConfig.fromObject({ points_per_view: 256, beta: 0 }).points_per_view, 256);
  assertEquals(
    problems("output_dim: 6", [set("aggregator_mode", "attention")])[0].slice(0, 25),
    "my.yaml:1:13: output_dim:",
  );
  for (const name of ["a/b", "..", "a\\b"]) {
    assertStringIncludes(
      problems("", [set("run_name", name)])[0],
      "--set run_name: run_name: expected the name of one folder",
    );
  }
});

yamlTest("overrides win over the file and are checked with it", () => {
  const config = TrainingConfig.fromYaml("seed: 1\ndata_root: rooms\n", {
    overrides: [
      set("seed", "7"),
      set("encoder_hidden_dims", "[8,8, 8]"),
      set("max_train_scenes", "null"),
      set("data_root", "null"),
      set("run_name", "2024"),
      { key: "log_dir", text: "C:\\logs #1: a", where: "--log_dir" },
    ],
  });
  assertEquals(config.seed, 7);
  assertEquals(config.encoder_hidden_dims, [8, 8, 8]);
  assertEquals(config.max_train_scenes, null);
  assertEquals([config.data_root, config.run_name], ["null", "2024"]);
  assertEquals(config.log_dir, "C:\\logs #1: a");
  assertEquals(
    TrainingConfig.fromYaml("", { overrides: [set("run_name", "null")] }).run_name,
    null,
  );

  assertEquals(
    problems("sead: 1", [
      set("temperature", "-1"),
      set("alpa", "1"),
      set("seed", "[1"),
      { key: "num_epochs", text: "many", where: "--epochs" },
      set("num_epochs", "3"),
    ]),
    [
      'my.yaml:1:1: unknown key "sead"; did you mean seed?',
      "--set temperature: expected a number above 0; found -1",
      '--set alpa: unknown key "alpa"; did you mean alpha?',
      '--set seed: cannot read "[1" as YAML: not YAML: Flow sequence must end with a ]',
      '--epochs: num_epochs: expected an integer of at least 1; found "many"',
      "--set num_epochs: num_epochs is set by --epochs already; keep one",
    ],
  );
});

yamlTest("features are different names, and synthetic scenes have normals alone", () => {
  const found = (text: string) => problems(text)[0].replace(/^my.yaml:\d+:\d+: /, "");
  assertEquals(TrainingConfig.defaults().features, ["normals"]);
  for (const value of ["[]", "normals", "[a, a]", "[1]", "null"]) {
    assertStringIncludes(
      found(`features: ${value}`),
      "features: expected different names, such as [normals, colors]; found ",
    );
  }
  assertEquals(
    found("features: [normals, colors]\ndataset: synthetic"),
    'features: synthetic scenes offer normals alone; found ["normals","colors"]',
  );
});

yamlTest("the resolved configuration loads back to the same, from YAML and from an object", () => {
  for (
    const text of [
      "",
      "small_mode: true",
      "small_mode: true\ndata_root: on\nrun_name: 'a \"b\" #c'\nalpha: 1e-7\neta_min: 1.5e-9",
      "augmentation: [{type: flip, axes: [x, y]}, {type: auto_contrast}, {type: jitter, sigma: 1e-9}]",
      "fused: off\nscheduler_type: none\ndevice: cpu\nmax_hierarchy_depth: 0",
      "features: [normals, gps time, 'on']\nmax_points_per_batch: 200000\ncache_mb: 0",
    ]
  ) {
    const config = TrainingConfig.fromYaml(text);
    const values = config.toObject();
    assertEquals(Object.keys(values), [...CONFIG_KEY_NAMES]);
    assertEquals(TrainingConfig.fromYaml(config.toYaml()).toObject(), values);
    assertEquals(TrainingConfig.fromObject(values).toObject(), values);
    assertEquals(TrainingConfig.fromObject(JSON.parse(JSON.stringify(values))).toObject(), values);
  }
  const yaml = TrainingConfig.fromYaml("alpha: 1e-7\nfused: off\nbeta: 2").toYaml();
  assertStringIncludes(yaml, "\nalpha: 1.0e-7\n");
  assertStringIncludes(yaml, '\nfused: "off"\n');
  assertStringIncludes(yaml, "\nbeta: 2\n");
  assertStringIncludes(yaml, "\nencoder_hidden_dims: [64, 128]\n");
});

yamlTest("augmentations are a list, checked part by part, with every field filled in", () => {
  assertEquals(TrainingConfig.defaults().augmentation, [
    { type: "rotate", axis: "z", degrees: 180, p: 0.95 },
    { type: "scale", min: 0.9, max: 1.1, anisotropic: false, p: 0.95 },
  ]);
  assertEquals(TrainingConfig.fromYaml("augmentation: []").augmentation, []);
  const config = TrainingConfig.fromYaml("augmentation:\n- type: flip\n  axes: [y]\n");
  assertEquals(config.augmentation, [{ type: "flip", axes: ["y"], p: 0.5 }]);
  assertEquals(TrainingConfig.fromYaml(config.toYaml()).augmentation, config.augmentation);
  const text = `seed: -1
augmentation:
  - {type: rotate, p: 2}
  - type: jitter
    sigmas: 1
  - turn
alpha: -1
`;
  assertEquals(problems(text).map((line) => line.slice(0, 46)), [
    "my.yaml:1:7: seed: expected an integer from 0 ",
    "my.yaml:3:23: augmentation.0.p: expected a num",
    "my.yaml:5:13: augmentation.1.sigmas: unknown k",
    "my.yaml:6:5: augmentation.2: expected a mappin",
    "my.yaml:7:8: alpha: expected a number of at le",
  ]);
  assertStringIncludes(problems("augmentation: rotate")[0], "my.yaml:1:15: augmentation: expected");
});

Deno.test("objects are checked like files, and undefined is not set", () => {
  const config = TrainingConfig.fromObject({ small_mode: true, hidden_dim: undefined });
  assertEquals([config.hidden_dim, config.explicit.has("hidden_dim")], [64, false]);
  const error = assertThrows(
    () =>
      TrainingConfig.fromObject(
        { hidden_dim: NaN, nonsense: 1 } as unknown as Partial<ConfigValues>,
        { file: "checkpoint last.safetensors" },
      ),
    UsageError,
  );
  assertEquals(error.message.split("\n"), [
    "Cannot use this configuration: 2 problems",
    "  checkpoint last.safetensors: hidden_dim: expected an integer from 1 to 16384; found NaN",
    '  checkpoint last.safetensors: unknown key "nonsense"; did you mean seed?',
  ]);
});

Deno.test("a configuration cannot be changed", () => {
  const config = TrainingConfig.defaults();
  assertThrows(() => Object.assign(config, { seed: 1 }), TypeError);
  assertThrows(() => (config.encoder_hidden_dims as number[]).push(1), TypeError);
  assertEquals(TrainingConfig.defaults().encoder_hidden_dims, [64, 128]);
});

Deno.test({
  name: "the configurations that come along load",
  ignore: missingPermissions("read", "env"),
  fn() {
    const load = (name: string) => {
      const url = new URL(`../../configs/${name}.yaml`, import.meta.url);
      return TrainingConfig.fromYaml(Deno.readTextFileSync(url), { file: name });
    };
    const debug = load("debug_local");
    assertEquals([debug.small_mode, debug.dataset, debug.num_epochs], [true, "synthetic", 10]);
    assertEquals([debug.hidden_dim, debug.max_train_scenes], [64, 4]);
    const indoor = load("indoor_scenes");
    assertEquals([indoor.small_mode, indoor.dataset, indoor.hidden_dim], [false, "scenes", 96]);
    assertEquals(indoor.augmentation, TrainingConfig.defaults().augmentation);
  },
});
