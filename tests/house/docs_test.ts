import { assert, assertEquals } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { COMMANDS } from "../../src/cli/commands.ts";
import { formatReaders } from "../../src/cloud/formats/registry.ts";
import { BACKBONES } from "../../src/model/backbones/table.ts";
import { OBJECTIVES } from "../../src/model/objectives/table.ts";
import { CONFIG_KEYS, type ConfigKey } from "../../src/run/config_keys.ts";
import { AUGMENTATIONS } from "../../src/scenes/views/augmentations/table.ts";
import * as operations from "../../src/tensor/operations.ts";
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
  const listed = rows(read("docs/model.md")).filter((row) => row.length === 5)
    .filter(([key]) => key !== "key" && !key.startsWith("-")).map((row) => row.join(" | "));
  const expected = Object.entries<ConfigKey>(CONFIG_KEYS).map(([name, key]) => {
    const small = "small" in key ? shown(key.small) : "";
    return [name, shown(key.default), small, key.help, key.resume].join(" | ");
  });
  const wrong = listed.filter((row) => !expected.includes(row));
  assertEquals(wrong, expected.filter((row) => !listed.includes(row)));
  assertEquals(listed.length, expected.length);
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

/** The pages that name files of this repository. */
const pages = () => ["README.md", "CONTRIBUTING.md", "SECURITY.md", ...filesIn("docs", /\.md$/)];

function isThere(path: string): boolean {
  try {
    return Deno.statSync(join(ROOT, path)) !== null;
  } catch {
    return false;
  }
}

Deno.test("every file that a page names is there", { ignore }, () => {
  let named = 0;
  for (const page of pages()) {
    const text = read(page);
    const paths = [
      ...text.matchAll(/`((?:src|shaders|tests|docs|examples|configs|\.github)\/[^`\s]*)`/g),
    ]
      .map(([, path]) => path);
    const links = [...text.matchAll(/\]\((?!https?:|#)([^)#]+)(?:#[^)]*)?\)/g)]
      .map(([, path]) => join(page, "..", path));
    for (const path of [...paths, ...links]) {
      if (/NAME|GROUP|\*/.test(path)) continue; // stands for any
      named++;
      assert(isThere(path), `${page} names ${path}`);
    }
  }
  assert(named > 100, `${named} names are found`);
});

Deno.test("docs/architecture.md has every room, and every entry of the tables", { ignore }, () => {
  const page = read("docs/architecture.md");
  const rooms = rows(page).map(([room]) => room).filter((room) => room.startsWith("src/"));
  const folders = [...Deno.readDirSync(join(ROOT, "src"))].map(({ name }) => `src/${name}/`);
  assertEquals(rooms.sort(), folders.sort());
  const named = (of: string) => {
    const entry =
      new RegExp(`^- \\*\\*${of}\\*\\*, [^:]*: (.*?)(?=^- |^$)`, "ms").exec(page)?.[1] ?? "";
    return [...entry.matchAll(/`(.+?)`/g)].map(([, name]) => name).sort();
  };
  const endings = formatReaders.flatMap(({ extensions }) => extensions.map((each) => `.${each}`));
  const groups = Object.values<ConfigKey>(CONFIG_KEYS).map(({ group }) => group);
  const tables: Record<string, readonly string[]> = {
    operations: Object.entries(operations).flatMap(([name, each]) =>
      typeof each === "function" ? [name] : []
    ),
    backbones: Object.keys(BACKBONES),
    objectives: Object.keys(OBJECTIVES),
    augmentations: Object.keys(AUGMENTATIONS),
    formats: endings,
    keys: [...new Set(groups)],
    commands: Object.keys(COMMANDS),
  };
  for (const [of, names] of Object.entries(tables)) assertEquals(named(of), names.toSorted(), of);
});
