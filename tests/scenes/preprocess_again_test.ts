import { lockFolder } from "../../src/base/folder_lock.ts";
import { assertEquals, assertRejects } from "@std/assert";
import { prepareRun } from "../../src/scenes/preprocess/run.ts";
import { listScenes } from "../../src/scenes/scenes_dataset.ts";
import { UsageError } from "../../src/base/errors.ts";
import { tempFolder } from "../support/temp_folder.ts";
import { files, modified, parsed, put, run } from "../support/preprocessing.ts";

Deno.test(
  "preprocess: started again it makes what is missing, cut off or of other settings",
  files,
  async () => {
    await using folder = await tempFolder();
    const { path } = folder;
    for (const name of ["a", "b", "c", "d"]) await put(`${path}/in/${name}.xyz`);
    const args = ["--input", `${path}/in`, "--output", `${path}/out`, "--split", "1,0,0"];
    const stop = new AbortController();
    await assertRejects(
      () =>
        run(args, {
          signal: stop.signal,
          onProgress: ({ done }) => done === 2 && stop.abort(new Error("enough")),
        }),
      Error,
      "enough",
    );
    const made = (await listScenes(`${path}/out`)).train;
    assertEquals(made.length, 2);
    const times = await Promise.all(made.map(modified));
    await assertRejects(() => Deno.stat(`${path}/out/index.json`), Deno.errors.NotFound);
    await Deno.writeTextFile(`${path}/out/train/.c.safetensors.0123abcd.tmp`, "half");
    const counted: number[] = [];
    await run(args, { onProgress: ({ done }) => counted.push(done) });
    assertEquals(counted, [2, 3, 4]);
    assertEquals(await Promise.all(made.map(modified)), times);
    const names = Array.from(Deno.readDirSync(`${path}/out/train`), ({ name }) => name);
    assertEquals(names.filter((name) => name.startsWith(".")), []);

    const whole = await Deno.readFile(made[0]);
    await Deno.writeFile(made[0], whole.subarray(0, whole.length - 1));
    const again: number[] = [];
    await run(args, { onProgress: ({ done }) => again.push(done) });
    assertEquals(again, [3, 4]);
    assertEquals(await Deno.readFile(made[0]), whole);

    const remade = async (...more: string[]) => {
      const options = parsed(...args, ...more);
      return 4 - (await prepareRun(options)).done.size;
    };
    assertEquals(await remade(), 0);
    assertEquals(await remade("--workers", "3"), 0);
    assertEquals(await remade("--voxel", "0.1"), 4);
    assertEquals(await remade("--depth", "2"), 4);
    await put(`${path}/in/c.xyz`, 71);
    assertEquals(await remade(), 1);
  },
);

Deno.test(
  "preprocess: scenes of another run are not mixed in, moved ones are replaced",
  files,
  async () => {
    await using folder = await tempFolder();
    const { path } = folder;
    for (const name of ["a", "b"]) await put(`${path}/one/${name}.xyz`, 40);
    await put(`${path}/two/c.xyz`, 40);
    const output = ["--output", `${path}/out`];
    await run(["--input", `${path}/one`, ...output, "--split", "1,0,0"]);
    await run(["--input", `${path}/one`, ...output, "--split", "0,1,0"]);
    const split = async () => {
      const names: string[] = [];
      for (const name of ["train", "val"]) {
        for (const entry of Deno.readDirSync(`${path}/out/${name}`)) {
          names.push(
            `${name}/${entry.name}`,
          );
        }
      }
      return await Promise.resolve(names.sort());
    };
    assertEquals(await split(), ["val/a.safetensors", "val/b.safetensors"]);
    const other = ["--input", `${path}/two`, ...output];
    await assertRejects(
      () => run(other),
      UsageError,
      `Cannot preprocess into ${path}/out: it holds 2 scenes of another run`,
    );
    await Deno.writeTextFile(`${path}/out/train/mine.safetensors`, "not of preprocess");
    await run([...other, "--clean"]);
    assertEquals(await split(), ["train/c.safetensors", "train/mine.safetensors"]);
  },
);

Deno.test(
  "preprocess: one run writes at a time, and clears away what killed ones have left",
  files,
  async () => {
    await using folder = await tempFolder();
    const { path } = folder;
    for (const name of ["a", "b"]) await put(`${path}/in/${name}.xyz`);
    const out = `${path}/out`;
    const args = ["--input", `${path}/in`, "--output", out];
    await Deno.mkdir(`${out}/train`, { recursive: true });
    const litter = [".index.json.0123abcd.tmp", "train/.a.safetensors.0123abcd.tmp"];
    for (const name of [...litter, "mine.tmp"]) await Deno.writeTextFile(`${out}/${name}`, "");
    {
      using _other = await lockFolder(out, "--output");
      await assertRejects(() => run(args), UsageError, "another run");
    }
    const index = await run(args);
    assertEquals(index.scenes.length, 2);
    assertEquals(Deno.readDirSync(out).map(({ name }) => name).toArray().sort(), [
      "index.json",
      "mine.tmp",
      "train",
      "val",
    ]);
    assertEquals(Deno.readDirSync(`${out}/train`).toArray().length, 1);
  },
);
