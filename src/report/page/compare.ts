/** Settings of several runs beside each other. */

/** One setting. */
export interface ComparedSetting {
  readonly key: string;
  /** As text, run by run; null: this run has no such setting. */
  readonly values: readonly (string | null)[];
  /** Whether not all are the same. */
  readonly differs: boolean;
}

/** Every setting of any of the runs, in the order in which they first occur. */
export function compareSettings(
  configs: readonly Readonly<Record<string, unknown>>[],
): ComparedSetting[] {
  const keys = [...new Set(configs.flatMap((config) => Object.keys(config)))];
  return keys.map((key) => {
    const values = configs.map((config) => key in config ? text(config[key]) : null);
    return { key, values, differs: values.some((value) => value !== values[0]) };
  });
}

function text(value: unknown): string {
  if (typeof value === "string") return value;
  const spaced = JSON.stringify(value, null, 1).replace(/\s*\n\s*/g, " ");
  return spaced.replace(/([[{]) /g, "$1").replace(/ ([\]}])/g, "$1");
}
