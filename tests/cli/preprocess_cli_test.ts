import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { fromFileUrl } from "@std/path";
import { parsePreprocessArguments, preprocessHelp } from "../../src/cli/preprocess/arguments.ts";
import { UsageError } from "../../src/base/errors.ts";
import { tempFolder } from "../support/temp_folder.ts";
import { commands, parsed, put } from "../support/preprocessing.ts";

const TOOL = fromFileUrl(new URL("../../tools/preprocess.ts", import.meta.url));

Deno.test("preprocess: flags become settings, and what is wrong with them is said", () => {
  const options = parsed(
    ..."--input a b --output o --objects --voxel 0.05 --max-points=99 --split 70/30 c".split(" "),
    "--columns",
    "x, y,z,_",
  );
  assertEquals([options.inputs, options.ratio], [["a", "b", "c"], [70, 30, 0]]);
  const { prepare, read } = options.settings;
  assertEquals([prepare.voxelSize, prepare.maxPoints, prepare.unitScale], [0.05, 99, true]);
  assertEquals(read.columns, ["x", "y", "z", "_"]);
  for (
    const [args, message] of [
      ["--output o", "Say what to read"],
      ["--input a", "Say where to write"],
      ["--input a --output o --voxle 1", "Unknown flag --voxle"],
      ["--input a --output o --voxel", "--voxel: expected a value, got nothing"],
      ["--input a --output o --voxel x", "--voxel: expected a number, got x"],
      ["--input a --output o --voxel -1", "--voxel: expected 0 or more, got -1"],
      ["--input a --output o --max-points 1.5", "expected a whole number of 0 or more, got 1.5"],
      ["--input a --output o --normals up", "--normals: expected one of auto, estimate, keep"],
      ["--input a --output o --depth 2 --depth 3", "--depth is given twice"],
      ["--input a --output o --split 0.5", "--split: expected shares of train, val and test"],
      ["--input a --output o --split 1,0,0 --split-file f", "exclude each other"],
      ["--input a --output o --branching 1", "branching: expected an integer from 2"],
    ]
  ) {
    const list = args.split(" ");
    assertThrows(() => parsePreprocessArguments(list), UsageError, message);
  }
  assertEquals(parsePreprocessArguments(["-h"]).help, true);
  for (const line of preprocessHelp().split("\n")) assert(line.length <= 120, line);
});

Deno.test(
  "preprocess: the command says what it would do, does it, and ends with its code",
  commands,
  async () => {
    await using folder = await tempFolder();
    const { path } = folder;
    for (const name of ["a", "b"]) await put(`${path}/in/${name}.xyz`, 40);
    const call = async (...args: string[]) => {
      const command = new Deno.Command(Deno.execPath(), { args: ["run", "-A", TOOL, ...args] });
      const { code, stdout, stderr } = await command.output();
      return { code, text: new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr) };
    };
    const args = ["--input", `${path}/in`, "--output", `${path}/out`];
    const dry = await call(...args, "--dry-run");
    assertEquals(dry.code, 0);
    assertStringIncludes(dry.text, `2 scenes into ${path}/out`);
    await assertRejects(() => Deno.stat(`${path}/out`), Deno.errors.NotFound);
    const real = await call(...args);
    assertEquals(real.code, 0);
    assertStringIncludes(real.text, "(train 1, val 1): 80 points");
    const wrong = await call(...args, "--depht", "3");
    assertEquals(wrong.code, 2);
    assertStringIncludes(wrong.text, "Unknown flag --depht");
    await Deno.writeTextFile(`${path}/in/c.xyz`, "");
    assertEquals((await call(...args, "--strict")).code, 1);
    assertEquals((await call("--help")).code, 0);
  },
);
