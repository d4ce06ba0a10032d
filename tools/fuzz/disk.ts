/** Disks that are full, under checkpoints and under logs. */

import { join } from "@std/path";
import { Random } from "../../src/data/random.ts";
import type { Campaign } from "./campaign.ts";
import { ended, unseemly } from "./process.ts";
import {
  PATIENCE,
  startOrResume,
  tensorsOf,
  unbroken,
  writeConfig,
  wrongWith,
} from "./small_run.ts";

/** Bytes of the small disk. */
const DISK = 1 << 20;

/** A small disk of its own; null: this user may not have one. */
async function mountDisk(at: string): Promise<boolean> {
  await Deno.mkdir(at);
  try {
    const { success } = await new Deno.Command("mount", {
      args: ["-t", "tmpfs", "-o", `size=${DISK}`, "tmpfs", at],
      stdout: "null",
      stderr: "null",
    }).output();
    return success;
  } catch {
    return false;
  }
}

async function unmount(at: string): Promise<void> {
  await new Deno.Command("umount", { args: ["-l", at], stdout: "null", stderr: "null" }).output();
}

/** Fills a disk but for `left` bytes; gives the file to remove. */
function fill(disk: string, left: number): string {
  const path = join(disk, "filler");
  const file = Deno.openSync(path, { create: true, write: true });
  try {
    for (let size = 0; size < DISK - left; size += 4096) file.writeSync(new Uint8Array(4096));
  } catch {
    // as full as it gets
  }
  file.close();
  return path;
}

/** Each run ends with a message and whole files, and comes to the unbroken run's weights once there is room. */
export const disk: Campaign = {
  about: "runs whose disk is full",
  usual: 4,
  async run({ count, seed }, tally) {
    const folder = await Deno.makeTempDir();
    try {
      const expected = await unbroken(folder);
      for (let i = 0; i < count; i++) {
        const random = new Random(seed, "disk", i);
        const small = join(folder, `disk ${i}`), own = join(folder, `run ${i}`);
        if (Deno.build.os === "windows" || !await mountDisk(small)) {
          tally.count("not tried: no disk may be mounted here");
          continue;
        }
        Deno.mkdirSync(own);
        try {
          const underLogs = i % 2 === 1;
          const places = underLogs
            ? { logs: join(small, "runs") }
            : { checkpoints: join(small, "c") };
          const config = writeConfig({ folder: own, ...places });
          const checkpoints = places.checkpoints ?? join(own, "checkpoints");
          // From nothing at all to room for some epochs.
          const filler = fill(small, underLogs ? random.int(24) * 1024 : random.int(500) * 1024);
          const first = await ended(await startOrResume(config, checkpoints), PATIENCE);
          const wrong = [unseemly(first) ?? []].flat();
          if (first.code !== 0 && first.err.trim() === "") wrong.push("ends without a word");
          wrong.push(...await wrongWith(checkpoints).catch(() => []));
          Deno.removeSync(filler);
          const second = await ended(await startOrResume(config, checkpoints), PATIENCE);
          if (second.code !== 0) wrong.push(`does not go on: ${second.err}`);
          const path = join(checkpoints, "final.safetensors");
          if (await tensorsOf(path).catch(String) !== expected) wrong.push("other weights");
          const where = underLogs ? "logs" : "checkpoints";
          if (wrong.length > 0) tally.fail(`${where}, try ${i}: ${wrong.join("; ")}; ${first.err}`);
          else tally.count(first.code === 0 ? "had room" : `full under ${where}, gone on with`);
        } finally {
          await unmount(small);
        }
      }
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
};
