/**
 * What a probe during training is: plain data that a YAML file can hold, its defaults and its
 * checks.
 */

/** A small evaluation that is repeated while training goes on. */
export interface ProbeConfig {
  /** Folder of prepared scenes with labels; null: data_root. */
  readonly data: string | null;
  /** What is measured: `linear`, `svm`, `knn` on whole scenes, or `points`. */
  readonly protocol: ProbeProtocol;
  /** Epochs from one to the next; the last epoch always has one. */
  readonly every: number;
}

/** The protocols that a probe can follow. */
export type ProbeProtocol = "linear" | "svm" | "knn" | "points";

/** Something wrong in a probe. */
export interface ProbeProblem {
  /** The key; empty where it is the whole value. */
  readonly path: readonly (string | number)[];
  /** What was expected and what was got. */
  readonly message: string;
}

const PROTOCOLS: readonly string[] = ["linear", "svm", "knn", "points"];

const FIELDS: Readonly<
  Record<keyof ProbeConfig, {
    readonly expected: string;
    readonly accepts: (value: unknown) => boolean;
  }>
> = {
  data: {
    expected: "the path of a folder, or null for data_root",
    accepts: (value) => value === null || typeof value === "string" && value.trim() !== "",
  },
  protocol: {
    expected: `one of ${PROTOCOLS.join(", ")}`,
    accepts: (value) => typeof value === "string" && PROTOCOLS.includes(value),
  },
  every: {
    expected: "a whole number of epochs, at least 1",
    accepts: (value) => Number.isSafeInteger(value) && (value as number) >= 1,
  },
};

/** Everything wrong with `value` as a ProbeConfig; empty when it is one. */
export function probeProblems(value: unknown): ProbeProblem[] {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return [{
      path: [],
      message: `expected a mapping such as {data: DIR, protocol: linear, every: 5}, or null; got ${
        show(value)
      }`,
    }];
  }
  const problems: ProbeProblem[] = [];
  for (const [key, field] of Object.entries(value)) {
    if (field === undefined) continue;
    if (!Object.hasOwn(FIELDS, key)) {
      const allowed = Object.keys(FIELDS).join(", ");
      problems.push({ path: [key], message: `unknown key of a probe; allowed: ${allowed}` });
      continue;
    }
    const { expected, accepts } = FIELDS[key as keyof ProbeConfig];
    if (!accepts(field)) {
      problems.push({ path: [key], message: `expected ${expected}, got ${show(field)}` });
    }
  }
  if ((value as Partial<ProbeConfig>).protocol === undefined) {
    problems.push({ path: [], message: `expected a protocol, ${FIELDS.protocol.expected}` });
  }
  return problems;
}

/** Fills in what was left out of a value without problems: data null, every 5. */
export function completeProbe(value: unknown): ProbeConfig {
  const given = value as Partial<ProbeConfig>;
  const { data = null, every = 5 } = given;
  return { data, protocol: given.protocol!, every };
}

function show(value: unknown): string {
  return value === undefined ? "nothing" : JSON.stringify(value) ?? typeof value;
}
