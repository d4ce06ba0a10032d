/** Float64 matrices: what references of operations are written with. */

/** A row-major matrix in float64. */
export interface Matrix {
  readonly rows: number;
  readonly cols: number;
  readonly data: Float64Array;
}

/** A matrix from a function of row and column. */
export function build(
  rows: number,
  cols: number,
  value: (row: number, col: number) => number,
): Matrix {
  const data = new Float64Array(rows * cols);
  for (let r = 0, i = 0; r < rows; r++) {
    for (let c = 0; c < cols; c++) data[i++] = value(r, c);
  }
  return { rows, cols, data };
}

/** The entry at row and column. */
export function at(x: Matrix, row: number, col: number): number {
  return x.data[row * x.cols + col];
}

/** Every entry through a function. */
export function map(x: Matrix, f: (value: number) => number): Matrix {
  return { ...x, data: x.data.map(f) };
}

/** Two matrices entry by entry, the second repeated where it has one row or one column. */
export function zip(a: Matrix, b: Matrix, f: (a: number, b: number) => number): Matrix {
  return build(
    a.rows,
    a.cols,
    (r, c) => f(at(a, r, c), at(b, b.rows === 1 ? 0 : r, b.cols === 1 ? 0 : c)),
  );
}

/** The transpose. */
export function flip(x: Matrix): Matrix {
  return build(x.cols, x.rows, (r, c) => at(x, c, r));
}

/** The matrix product. */
export function times(a: Matrix, b: Matrix): Matrix {
  const out = build(a.rows, b.cols, () => 0);
  for (let r = 0; r < a.rows; r++) {
    for (let k = 0; k < a.cols; k++) {
      const factor = a.data[r * a.cols + k];
      for (let c = 0; c < b.cols; c++) {
        out.data[r * b.cols + c] += factor * b.data[k * b.cols + c];
      }
    }
  }
  return out;
}

/** One row at a time through a function of its entries. */
export function byRow(x: Matrix, f: (row: Float64Array) => ArrayLike<number>): Matrix {
  const rows = Array.from(
    { length: x.rows },
    (_, r) => f(x.data.subarray(r * x.cols, (r + 1) * x.cols)),
  );
  const cols = rows[0]?.length ?? x.cols;
  return build(x.rows, cols, (r, c) => rows[r][c]);
}

/** Sum of numbers, 0 for none. */
export function total(values: Iterable<number>): number {
  let sum = 0;
  for (const value of values) sum += value;
  return sum;
}

/**
 * The error function to about 1e-15: its Taylor series below 3, the continued fraction of erfc
 * above.
 */
export function erf(x: number): number {
  const t = Math.abs(x);
  if (t > 6) return Math.sign(x);
  if (t < 3) {
    let term = x;
    let sum = x;
    for (let n = 1; n < 100; n++) {
      term *= -x * x / n;
      sum += term / (2 * n + 1);
    }
    return sum * 2 / Math.sqrt(Math.PI);
  }
  let fraction = t;
  for (let n = 80; n > 0; n--) fraction = t + n / 2 / fraction;
  return Math.sign(x) * (1 - Math.exp(-t * t) / Math.sqrt(Math.PI) / fraction);
}
