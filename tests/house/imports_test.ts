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
