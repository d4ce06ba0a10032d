/** Checks lists of augmentations against their rules, and fills in what they leave out. */

import { UsageError } from "../../base/errors.ts";
import type { AugmentationRule } from "./augmentations/rule.ts";
import { AUGMENTATIONS } from "./augmentations/table.ts";
import type { AugmentationConfig, OwnAugmentation } from "./augmentations/types.ts";

/** An augmentation with every field given, and its rule. */
export interface AugmentationStep {
  readonly rule: AugmentationRule;
  readonly augmentation: Readonly<Record<string, unknown>>;
}

/** Something wrong in a list of augmentations. */
export interface AugmentationProblem {
  /** Where: the index in the list, then the key; as far as the problem is that specific. */
  readonly path: readonly (string | number)[];
  /** What was expected and what was got. */
  readonly message: string;
}

type Rules = ReadonlyMap<string, AugmentationRule>;

const OURS: Rules = new Map(
  Object.entries(AUGMENTATIONS as Record<string, AugmentationRule>),
);

/** Our rules and those of a person's own. Throws UsageError where two have one name. */
function rulesWith(own: readonly AugmentationRule[]): Rules {
  if (own.length === 0) return OURS;
  const rules = new Map(OURS);
  for (const rule of own) {
    if (rules.has(rule.type)) {
      throw new UsageError(
        `Cannot augment: there are two augmentations called ${rule.type}; give yours another name`,
      );
    }
    rules.set(rule.type, rule);
  }
  return rules;
}

/**
 * Everything wrong with `value` as a list of augmentations, ours or of the rules `own`; empty when
 * nothing is.
 *
 * @throws {UsageError} Two rules have one name.
 */
export function augmentationProblems(
  value: unknown,
  own: readonly AugmentationRule[] = [],
): AugmentationProblem[] {
  const rules = rulesWith(own);
  if (!Array.isArray(value)) {
    return [{ path: [], message: `expected a list of augmentations, got ${show(value)}` }];
  }
  return value.flatMap((entry, index) =>
    entryProblems(entry, rules).map(({ path, message }) => ({ path: [index, ...path], message }))
  );
}

/** What is wrong with one entry of a list. */
function entryProblems(entry: unknown, rules: Rules): AugmentationProblem[] {
  const types = [...rules.keys()].join(", ");
  if (typeof entry !== "object" || entry === null || Array.isArray(entry)) {
    return [{ path: [], message: `expected a mapping with a type (${types}), got ${show(entry)}` }];
  }
  const given = entry as Record<string, unknown>;
  const rule = rules.get(given.type as string);
  if (rule === undefined) {
    return [{ path: ["type"], message: `expected one of ${types}, got ${show(given.type)}` }];
  }
  const { fields, type } = rule;
  const problems: AugmentationProblem[] = [];
  for (const [key, value] of Object.entries(given)) {
    if (key === "type" || value === undefined) continue;
    if (!Object.hasOwn(fields, key)) {
      const allowed = Object.keys(fields).join(", ");
      problems.push({ path: [key], message: `unknown key of ${type}; allowed: ${allowed}` });
    } else if (!fields[key].accepts(value)) {
      problems.push({
        path: [key],
        message: `expected ${fields[key].expected}, got ${show(value)}`,
      });
    }
  }
  if (problems.length > 0) return problems;
  const problem = rule.problem?.(complete(given, rule));
  return problem === undefined ? [] : [{ path: [problem.field], message: problem.message }];
}

function show(value: unknown): string {
  return value === undefined ? "nothing" : JSON.stringify(value) ?? typeof value;
}

/** Fills in the fields that were left out. */
function complete(
  augmentation: Readonly<Record<string, unknown>>,
  { fields }: AugmentationRule,
): Record<string, unknown> {
  const given = Object.entries(augmentation).filter(([, value]) => value !== undefined);
  const fallbacks = Object.entries(fields).map(([key, field]) => [key, field.fallback]);
  return { ...Object.fromEntries(fallbacks), ...Object.fromEntries(given) };
}

/**
 * Checks `value`, e.g. parsed YAML, and gives the augmentations with every field filled in. Throws
 * a UsageError that lists every problem.
 */
export function parseAugmentation(value: unknown): AugmentationConfig {
  const steps = augmentationSteps(value);
  return steps.map(({ augmentation }) => augmentation) as unknown as AugmentationConfig;
}

/** As `parseAugmentation`, each augmentation with its rule, which may be one of `own`. */
export function augmentationSteps(
  value: unknown,
  own: readonly AugmentationRule[] = [],
): AugmentationStep[] {
  const problems = augmentationProblems(value, own);
  if (problems.length > 0) {
    const lines = problems.map(({ path, message }) => {
      const steps = path.map((step) => typeof step === "number" ? `[${step}]` : `.${step}`);
      return `augmentation${steps.join("")}: ${message}`;
    });
    throw new UsageError(`Cannot augment: ${lines.join("; ")}`);
  }
  const rules = rulesWith(own);
  return (value as OwnAugmentation[]).map((augmentation) => {
    const rule = rules.get(augmentation.type)!;
    return { rule, augmentation: complete(augmentation, rule) };
  });
}
