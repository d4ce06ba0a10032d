/** Eigenvectors of a symmetric matrix, on the processor and in float64: the axes that make a head's problem round. */

/** A = Σ values[i] · v_i v_iᵀ. */
export interface SymmetricEigen {
  /** (n) in no particular order. */
  readonly values: Float64Array;
  /** (n, n) row i is v_i, of length 1, orthogonal to the others. */
  readonly vectors: Float64Array;
}

/**
 * Eigenvalues and eigenvectors of the symmetric (n, n) matrix `a`: Householder's reduction to three diagonals, then
 * implicit QL (Golub and Van Loan, Matrix Computations, chapter 8). Time grows with n³: about a second for n = 576.
 */
export function symmetricEigen(a: Float64Array, n: number): SymmetricEigen {
  if (a.length !== n * n) {
    throw new TypeError(`Cannot decompose ${a.length} values as a matrix (${n}, ${n})`);
  }
  const { diagonal, beside, vectors } = tridiagonal(Float64Array.from(a), n);
  implicitQl(diagonal, beside, vectors, n);
  return { values: diagonal, vectors };
}

/** Overwrites `a`. Rows of `vectors` are the columns of Q in A = Q T Qᵀ, `beside` is T's side diagonal. */
function tridiagonal(
  a: Float64Array,
  n: number,
): { diagonal: Float64Array; beside: Float64Array; vectors: Float64Array } {
  const diagonal = new Float64Array(n), beside = new Float64Array(n);
  const betas = new Float64Array(n), p = new Float64Array(n);
  for (let k = 0; k < n - 1; k++) {
    // Row k right of the diagonal holds, by symmetry, the column below it; the reflector is kept there.
    const v = a.subarray(k * n, k * n + n);
    let square = 0;
    for (let i = k + 1; i < n; i++) square += v[i] * v[i];
    const norm = Math.sqrt(square);
    if (norm === 0 || k === n - 2) {
      beside[k] = v[k + 1];
      continue;
    }
    const alpha = v[k + 1] > 0 ? -norm : norm;
    const beta = 1 / (square - v[k + 1] * alpha);
    beside[k] = alpha;
    v[k + 1] -= alpha;
    betas[k] = beta;
    let vp = 0;
    for (let i = k + 1; i < n; i++) {
      const row = i * n;
      let dot = 0;
      for (let j = k + 1; j < n; j++) dot += a[row + j] * v[j];
      p[i] = beta * dot;
      vp += v[i] * p[i];
    }
    const half = beta * vp / 2;
    for (let i = k + 1; i < n; i++) p[i] -= half * v[i];
    for (let i = k + 1; i < n; i++) {
      const row = i * n, vi = v[i], pi = p[i];
      for (let j = k + 1; j < n; j++) a[row + j] -= vi * p[j] + pi * v[j];
    }
  }
  for (let k = 0; k < n; k++) diagonal[k] = a[k * n + k];
  // Q = H_0 H_1 …, built from the last reflector on; then transposed, so that rotations run along rows.
  const q = new Float64Array(n * n);
  for (let i = 0; i < n; i++) q[i * n + i] = 1;
  for (let k = n - 3; k >= 0; k--) {
    if (betas[k] === 0) continue;
    const v = a.subarray(k * n, k * n + n);
    p.fill(0);
    for (let i = k + 1; i < n; i++) {
      const row = i * n, vi = v[i];
      for (let j = k + 1; j < n; j++) p[j] += vi * q[row + j];
    }
    for (let i = k + 1; i < n; i++) {
      const row = i * n, factor = betas[k] * v[i];
      for (let j = k + 1; j < n; j++) q[row + j] -= factor * p[j];
    }
  }
  const vectors = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) vectors[j * n + i] = q[i * n + j];
  }
  return { diagonal, beside, vectors };
}

function implicitQl(d: Float64Array, e: Float64Array, z: Float64Array, n: number): void {
  const length = (x: number, y: number): number => Math.sqrt(x * x + y * y);
  for (let first = 0; first < n; first++) {
    for (;;) {
      let last = first;
      while (
        last < n - 1 && Math.abs(e[last]) > 2 ** -52 * (Math.abs(d[last]) + Math.abs(d[last + 1]))
      ) {
        last++;
      }
      if (last === first) break;
      let g = (d[first + 1] - d[first]) / (2 * e[first]);
      const r0 = length(g, 1);
      g = d[last] - d[first] + e[first] / (g + (g >= 0 ? r0 : -r0));
      let s = 1, c = 1, p = 0;
      let i = last - 1;
      for (; i >= first; i--) {
        const f = s * e[i], b = c * e[i];
        const r = length(f, g);
        e[i + 1] = r;
        if (r === 0) {
          d[i + 1] -= p;
          e[last] = 0;
          break;
        }
        s = f / r;
        c = g / r;
        const shifted = d[i + 1] - p;
        const t = (d[i] - shifted) * s + 2 * c * b;
        p = s * t;
        d[i + 1] = shifted + p;
        g = c * t - b;
        rotateRows(z, i * n, (i + 1) * n, n, c, s);
      }
      if (i >= first) continue; // the matrix fell apart in the middle
      d[first] -= p;
      e[first] = g;
      e[last] = 0;
    }
  }
}

function rotateRows(
  z: Float64Array,
  upper: number,
  lower: number,
  n: number,
  c: number,
  s: number,
): void {
  for (let k = 0; k < n; k++) {
    const a = z[upper + k], b = z[lower + k];
    z[lower + k] = s * a + c * b;
    z[upper + k] = c * a - s * b;
  }
}
