/** What the columns of a text table without names are. */

/** Rows looked at. */
const SAMPLES = 2000;
/** Labels are fewer than the shades of a colour. */
const CLASSES = 64;

/**
 * Names for the columns of a table that has none, from their values: x y z first, then normals
 * (unit vectors), colours (whole numbers of 0 to 255; as last three columns also of 0 to 65535;
 * fractions of 1 that are last or have labels alone after them), intensity (the first other column)
 * and labels: after normals or colours any whole numbers, right after the coordinates, as last
 * column, -1 to 63 that repeat; -100 too is no label. Four whole numbers are colours and a label
 * where the last stays below 64, else an intensity and colours; whole numbers after labels are
 * instances; files that end in .pts have intensity first. The rest is `column_N`, from 1.
 */
export function nameColumns(columns: readonly Float64Array[], extension: string): string[] {
  const names = ["x", "y", "z"];
  const taken = new Set<string>();
  const add = (group: string, ...added: string[]): void => {
    taken.add(group);
    names.push(...added);
  };
  while (names.length < columns.length) {
    const k = names.length;
    const left = columns.length - k;
    if (left >= 3 && !taken.has("normals") && areUnitVectors(columns.slice(k, k + 3))) {
      add("normals", "nx", "ny", "nz");
    } else if (left >= 3 && !taken.has("colors") && colorsBegin(columns, k, extension)) {
      add("colors", "red", "green", "blue");
    } else if (taken.has("colors") && left === 1 && isConstant(columns[k], 255)) {
      add("alpha", "alpha");
    } else if (
      (taken.has("normals") || taken.has("colors")) && !taken.has("labels") && isLabel(columns[k])
    ) {
      add("labels", "label");
    } else if (taken.has("labels") && !taken.has("instances") && isInstance(columns[k])) {
      add("instances", "instance");
    } else if (k === 3 && left === 1 && !/^pts$|i$/.test(extension) && areClasses(columns[k])) {
      add("labels", "label");
    } else if (!taken.has("intensity")) {
      add("intensity", "intensity");
    } else {
      names.push(`column_${k + 1}`);
    }
  }
  return names;
}

/**
 * A note of what columns without names were taken for; none where there is nothing but coordinates.
 */
export function guessNotes(names: readonly string[]): string[] {
  return names.length <= 3 ? [] : [guessNote(names)];
}

/** The note that these names are a guess. */
export function guessNote(names: readonly string[]): string {
  return `the columns have no names; by their values they are taken for ${names.join(",")}. ` +
    "If that is wrong, name them: --columns (option columns)";
}

/** True when columns k, k + 1, k + 2 are colours, rather than an intensity that colours follow. */
function colorsBegin(columns: readonly Float64Array[], k: number, extension: string): boolean {
  const left = columns.length - k;
  const here = columns.slice(k, k + 3);
  if (left === 3) return haveRange(here, 65535, true) || haveRange(here, 1, false);
  // Fractions that nothing but labels and instances follow.
  const fractions = haveRange(here, 1, false) && !haveRange(here, 1, true);
  if (left <= 5 && fractions) {
    return columns.slice(k + 3).every((c, i) => i === 0 ? isLabel(c) : isInstance(c));
  }
  if (!haveRange(here, 255, true)) return false;
  if (left < 4 || !haveRange(columns.slice(k + 1, k + 4), 255, true)) return true;
  if (extension === "pts") return false;
  return left > 4 || isConstant(columns[k + 3], 255) ||
    haveRange([columns[k + 3]], CLASSES - 1, true);
}

function stride(column: Float64Array): number {
  return Math.max(1, Math.floor(column.length / SAMPLES));
}

function haveRange(columns: readonly Float64Array[], max: number, whole: boolean): boolean {
  return columns.every((column) => {
    for (let i = 0; i < column.length; i += stride(column)) {
      const value = column[i];
      if (!(value >= 0 && value <= max) || (whole && !Number.isInteger(value))) return false;
    }
    return true;
  });
}

function areUnitVectors([x, y, z]: readonly Float64Array[]): boolean {
  let units = 0;
  let rows = 0;
  for (let i = 0; i < x.length; i += stride(x), rows++) {
    const length = Math.hypot(x[i], y[i], z[i]);
    if (Math.abs(length - 1) < 0.02) units++;
    else if (length !== 0 && !Number.isNaN(length)) return false;
  }
  return units > 0 && 2 * units >= rows;
}

function isConstant(column: Float64Array, value: number): boolean {
  return column.every((each) => each === value);
}

/** What stands for "no label" in data sets: -1, and -100 as PyTorch's losses ignore it. */
const NO_LABEL = -100;

function isLabel(column: Float64Array): boolean {
  return column.every((value) =>
    Number.isInteger(value) && (value >= -1 || value === NO_LABEL) && value <= 65535
  );
}

/** Numbers of instances may be made of a class and a number, and so be large. */
function isInstance(column: Float64Array): boolean {
  return column.every((value) => (value | 0) === value && value >= NO_LABEL);
}

/** More than one class, and fewer classes than half the points. */
function areClasses(column: Float64Array): boolean {
  const classes = new Set(column);
  return classes.size > 1 && 2 * classes.size <= column.length &&
    column.every((value) =>
      Number.isInteger(value) && (value >= -1 || value === NO_LABEL) && value < CLASSES
    );
}
