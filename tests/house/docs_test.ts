import { assert, assertEquals } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { CONFIG_KEYS, type ConfigKey } from "../../src/run/config_keys.ts";
import { AUGMENTATIONS } from "../../src/scenes/views/augmentations/table.ts";
import { missingPermissions } from "../support/permissions.ts";

const ROOT = fromFileUrl(new URL("../..", import.meta.url));
const ignore = missingPermissions("read");

const read = (path: string) => Deno.readTextFileSync(join(ROOT, path));

/** Headings of docs/model.md: what comments in the code cite. */
const SECTIONS = [
  "Scene and region tree",
  "Modules and parameter names",
  "Loss and metrics",
  "Optimisation",
  "Views",
  "Configuration",
  "Synthetic scenes",
  "The sparse U-Net",
];

/** The files of a folder and those below whose names end so. */
function filesIn(folder: string, ending: RegExp): string[] {
  return [...Deno.readDirSync(join(ROOT, folder))].flatMap(({ name, isDirectory }) => {
    const path = `${folder}/${name}`;
    return isDirectory ? filesIn(path, ending) : ending.test(name) ? [path] : [];
  });
}

/** The cells of a page's table rows, those that are code without their marks. */
function rows(markdown: string): string[][] {
  return markdown.split("\n").filter((line) => line.startsWith("|")).map((line) =>
    line.split("|").slice(1, -1).map((cell) => cell.trim().replace(/^`(.*)`$/, "$1"))
  );
}

Deno.test("docs/model.md has the sections that comments cite", { ignore }, () => {
  const headings = [...read("docs/model.md").matchAll(/^## (.*)$/gm)].map(([, heading]) => heading);
  assertEquals(headings, SECTIONS);
  let cited = 0;
  for (
    const path of ["src", "shaders", "tests", "bench"].flatMap((f) => filesIn(f, /\.(ts|wgsl)$/))
  ) {
    const text = read(path).replaceAll(/\s*\n\s*(\*|\/\/)?\s*/g, " ");
    for (const [, section] of text.matchAll(/docs\/model\.md, "?([A-Z][\w -]*)/g)) {
      cited++;
      assert(SECTIONS.some((known) => section.startsWith(known)), `${path} cites ${section}`);
    }
  }
  assert(cited > 10, `${cited} citations are found`);
});

/** A value as --help shows it. */
function shown(value: unknown): string {
  if (typeof value === "string") return value;
  return JSON.stringify(value).replaceAll('"', "").replaceAll(",", ", ").replaceAll(":", ": ");
}

Deno.test("docs/model.md lists every key of a configuration as it is", { ignore }, () => {
  const listed = rows(read("docs/model.md")).filter((row) => row.length === 5 && row[0] !== "key")
    .filter(([key]) => !key.startsWith("-"));
  const expected = Object.entries<ConfigKey>(CONFIG_KEYS).map(([name, key]) => {
    const small = "small" in key ? shown(key.small) : "";
    return [name, shown(key.default), small, key.help, key.resume];
  });
  assertEquals(listed, expected);
});

Deno.test("docs/model.md lists every augmentation with its fields", { ignore }, () => {
  const listed = rows(read("docs/model.md")).filter(([type]) => Object.hasOwn(AUGMENTATIONS, type))
    .map(([type, fields]) => [type, ...[...fields.matchAll(/`(\w+)`/g)].map(([, name]) => name)]);
  const expected = Object.entries(AUGMENTATIONS).map(([type, { fields }]) => [
    type,
    ...Object.keys(fields),
  ]);
  assertEquals(listed, expected);
});
