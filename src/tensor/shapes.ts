/** Shapes: sizes of dimensions, in elements and in words. */

/** Number of elements of a shape. */
export function elements(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** A shape in words: "[3, 4]". */
export function formatShape(shape: readonly number[]): string {
  return `[${shape.join(", ")}]`;
}

/** Whether a value counts things: a whole number of 0 or more that a double holds exactly. */
export function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/**
 * Throws unless every size counts something, and all elements do.
 *
 * @throws {TypeError} The first size that does not.
 */
export function checkShape(shape: readonly number[]): void {
  const wrong = shape.find((size) => !isCount(size));
  if (wrong !== undefined || !isCount(elements(shape))) {
    throw new TypeError(
      `Cannot make a tensor of shape ${formatShape(shape)}: expected whole numbers of 0 or more${
        wrong === undefined ? ", no more elements than 2⁵³" : `, got ${String(wrong)}`
      }.`,
    );
  }
}
