import { assert, assertEquals } from "@std/assert";
import { dirname, fromFileUrl, join, relative } from "@std/path";
import { missingPermissions } from "../support/permissions.ts";

const ROOT = fromFileUrl(new URL("../..", import.meta.url));

/** Source files of a folder and those below. */
function sourcesIn(folder: string): string[] {
  return [...Deno.readDirSync(folder)].flatMap(({ name, isDirectory }) =>
    isDirectory ? sourcesIn(join(folder, name)) : name.endsWith(".ts") ? [join(folder, name)] : []
  );
}

/** Files that each file imports, types counted. */
function importsOf(files: readonly string[]): Map<string, string[]> {
  return new Map(files.map((file) => {
    const text = Deno.readTextFileSync(file).replace(/^\s*\*.*$/gm, "");
    const found = [...text.matchAll(/\bfrom\s+"(\.[^"]+\.ts)"/g)].map(([, path]) =>
      join(dirname(file), path)
    );
    return [file, found];
  }));
}

/** The first circle of files that import each other, in words; null: there is none. */
function firstCircle(imports: ReadonlyMap<string, readonly string[]>): string | null {
  const done = new Set<string>();
  const visit = (file: string, path: readonly string[]): string | null => {
    const at = path.indexOf(file);
    if (at >= 0) {
      return [...path.slice(at), file].map((each) => relative(ROOT, each)).join(" → ");
    }
    if (done.has(file)) return null;
    for (const next of imports.get(file) ?? []) {
      const circle = visit(next, [...path, file]);
      if (circle) return circle;
    }
    done.add(file);
    return null;
  };
  for (const file of imports.keys()) {
    const circle = visit(file, []);
    if (circle) return circle;
  }
  return null;
}

Deno.test("no files import each other in a circle", { ignore: missingPermissions("read") }, () => {
  const imports = importsOf(sourcesIn(join(ROOT, "src")));
  assert([...imports.values()].flat().length > 500, "imports are found");
  assertEquals(firstCircle(imports), null);
  const [first] = imports.keys();
  assertEquals(
    firstCircle(new Map([[first, [first]]])),
    `${relative(ROOT, first)} → ${relative(ROOT, first)}`,
  );
});

/**
 * What each room of src may import from, besides itself: those to its left in
 * docs/architecture.md's drawing.
 */
const ROOMS: Readonly<Record<string, readonly string[]>> = {
  base: [],
  gpu: ["base"],
  tensor: ["base", "gpu"],
  nn: ["base", "gpu", "tensor"],
  cloud: ["base"],
  scenes: ["base", "cloud"],
  model: ["base", "gpu", "tensor", "nn", "scenes"],
  run: ["base", "gpu", "tensor", "nn", "cloud", "scenes", "model"],
  training: ["base", "gpu", "tensor", "nn", "scenes", "model", "run"],
  inference: ["base", "gpu", "tensor", "cloud", "scenes", "model", "run"],
  evaluation: [
    ...["base", "gpu", "tensor", "nn", "scenes", "model", "run", "training", "inference"],
  ],
  report: ["base", "gpu", "scenes", "model", "run", "inference"],
  cli: [
    ...["base", "gpu", "cloud", "scenes", "model", "run", "training", "inference", "evaluation"],
    "report",
  ],
};

const roomOf = (file: string) => relative(join(ROOT, "src"), file).split("/")[0];

Deno.test("imports point one way, from room to room", {
  ignore: missingPermissions("read"),
}, () => {
  const wrong: string[] = [];
  const rooms = new Set<string>();
  for (const [file, imported] of importsOf(sourcesIn(join(ROOT, "src")))) {
    const room = roomOf(file);
    rooms.add(room);
    for (const other of imported) {
      if (roomOf(other) === room || ROOMS[room]?.includes(roomOf(other))) continue;
      wrong.push(`${relative(ROOT, file)} imports ${relative(ROOT, other)}`);
    }
  }
  assertEquals(wrong, []);
  assertEquals([...rooms].sort(), Object.keys(ROOMS).sort());
  // The order is one: no room may be reached from those that it may reach.
  const order = Object.keys(ROOMS);
  for (const [room, below] of Object.entries(ROOMS)) {
    for (const other of below) {
      assert(order.indexOf(other) < order.indexOf(room), `${room} ${other}`);
    }
  }
});

Deno.test("no folder of sources is so full that nothing is found in it", {
  ignore: missingPermissions("read"),
}, () => {
  const counts = Map.groupBy(sourcesIn(join(ROOT, "src")), (file) => dirname(file));
  const full = [...counts].filter(([, files]) => files.length > 20);
  assertEquals(full.map(([folder, files]) => `${relative(ROOT, folder)}: ${files.length}`), []);
});

Deno.test("no source file is longer than a person reads at once", {
  ignore: missingPermissions("read"),
}, () => {
  const files = ["src", "bench", "tools"].flatMap((folder) => sourcesIn(join(ROOT, folder)));
  const long = files.map((file) => ({
    file: relative(ROOT, file),
    lines: Deno.readTextFileSync(file).split("\n").length - 1,
  })).filter(({ lines }) => lines > 400);
  assertEquals(long, []);
});
