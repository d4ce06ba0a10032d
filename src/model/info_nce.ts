/**
 * InfoNCE with plain operations: what the fast form in fused/contrast/info_nce.ts is tested
 * against.
 */

import {
  diagonal,
  formatShape,
  logSumExp,
  matmul,
  mean,
  scale,
  sub,
  type Tensor,
} from "../tensor/mod.ts";
import { checkInputs } from "../tensor/inputs.ts";

/**
 * Throws unless query and key are rows that pair, at least one, and the temperature is above 0.
 *
 * @throws {TypeError} They are not.
 */
export function checkContrast(query: Tensor, key: Tensor, temperature: number): void {
  checkInputs("infoNCE", [query, key]);
  if (key.rows !== query.rows || key.cols !== query.cols || query.rows === 0) {
    throw new TypeError(
      `Cannot contrast ${formatShape(query.shape)} with ${formatShape(key.shape)}.`,
    );
  }
  if (!(temperature > 0 && Number.isFinite(1 / temperature))) {
    throw new TypeError(
      `Cannot contrast at temperature ${temperature}: expected a number above 0.`,
    );
  }
}

/** `infoNCE` of unit rows, query and key (n, d), by way of the (n, n) similarities. */
export function plainInfoNCE(query: Tensor, key: Tensor, temperature: number): Tensor {
  checkContrast(query, key, temperature);
  const similarity = scale(matmul(query, key, { transposeB: true }), 1 / temperature);
  return mean(sub(logSumExp(similarity), diagonal(similarity)));
}
