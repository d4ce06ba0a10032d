/**
 * Minimises several smooth convex functions at once: L-BFGS here, values and slopes where the
 * caller computes them.
 */

/** Where a function is to be evaluated. */
export interface Trial {
  /** Which of the functions. */
  readonly problem: number;
  /** Where. */
  readonly x: Float64Array;
}

/** A function's value and gradient at a point. */
export interface Slope {
  /** The value. */
  readonly value: number;
  /** Its gradient. */
  readonly gradient: Float64Array;
}

/** What a minimisation came to. */
export interface Minimum {
  /** The point. */
  readonly x: Float64Array;
  /** The value there. */
  readonly value: number;
  /** Steps taken. */
  readonly iterations: number;
  /**
   * Length of the gradient there by its length at the start, both measured with the preconditioner.
   */
  readonly slope: number;
  /** Whether the stopping rule was met, rather than the limit of steps or of the arithmetic. */
  readonly converged: boolean;
}

/** When to stop. */
export interface MinimizeOptions {
  /** Stop when √(gᵀ P g) has fallen to this part of what it was at the start. Default 3e-3. */
  readonly tolerance?: number;
  /** Most steps. Default 300. */
  readonly maxIterations?: number;
}

const MEMORY = 10;
/** Decrease that a step must bring, as a part of what the slope promises. */
const ARMIJO = 1e-4;
/** Values come from float32 sums: less than this part of them is noise. */
const NOISE = 1e-7;
const MOST_HALVINGS = 12;

/**
 * Minimises each function from zero. `preconditioners[p]` is the diagonal of P, an estimate of the
 * inverse Hessian of function p, all above 0: L-BFGS starts from it, and the stopping rule measures
 * with it. `evaluate` is asked about one point of every function that is still under way, all at
 * once.
 */
export async function minimizeAll(
  preconditioners: readonly Float64Array[],
  evaluate: (trials: readonly Trial[]) => Promise<readonly Slope[]>,
  { tolerance = 3e-3, maxIterations = 300 }: MinimizeOptions = {},
): Promise<Minimum[]> {
  const descents = preconditioners.map((p) => new Descent(p, tolerance, maxIterations));
  for (;;) {
    const open = descents.flatMap((descent, problem) => descent.done ? [] : [{ descent, problem }]);
    if (open.length === 0) break;
    const slopes = await evaluate(
      open.map(({ descent, problem }) => ({ problem, x: descent.trial })),
    );
    open.forEach(({ descent }, i) => descent.take(slopes[i]));
  }
  return descents.map((descent) => descent.minimum());
}

/** One function's descent: it holds the point, the memory and the line search under way. */
class Descent {
  /** Where the function is to be evaluated next. */
  trial: Float64Array;
  done = false;
  readonly #scale: Float64Array;
  readonly #tolerance: number;
  readonly #maxIterations: number;
  #x: Float64Array;
  #value = Infinity;
  #gradient: Float64Array = new Float64Array(0);
  #firstSlope = 0;
  #slope = Infinity;
  #iterations = 0;
  #converged = false;
  #direction: Float64Array = new Float64Array(0);
  #descentRate = 0;
  #step = 1;
  #halvings = 0;
  readonly #memory: { s: Float64Array; y: Float64Array; sy: number }[] = [];

  constructor(scale: Float64Array, tolerance: number, maxIterations: number) {
    this.#scale = scale;
    this.#tolerance = tolerance;
    this.#maxIterations = maxIterations;
    this.#x = new Float64Array(scale.length);
    this.trial = this.#x;
  }

  minimum(): Minimum {
    const slope = this.#firstSlope > 0 ? this.#slope / this.#firstSlope : 0;
    return {
      x: this.#x,
      value: this.#value,
      iterations: this.#iterations,
      slope,
      converged: this.#converged,
    };
  }

  take({ value, gradient }: Slope): void {
    if (this.#gradient.length === 0) {
      this.#arrive(value, gradient);
      this.#firstSlope = this.#slope;
      this.#turn();
      return;
    }
    const allowed = this.#value + ARMIJO * this.#step * this.#descentRate +
      NOISE * Math.abs(this.#value);
    if (!(value <= allowed)) {
      this.#retreat(value);
      return;
    }
    const s = this.#difference(this.trial, this.#x);
    const y = this.#difference(gradient, this.#gradient);
    const sy = dot(s, y);
    // Noise may hide the curvature of a convex function: such a pair tells nothing.
    if (sy > 1e-10 * Math.sqrt(dot(s, s) * dot(y, y))) {
      this.#memory.push({ s, y, sy });
      if (this.#memory.length > MEMORY) this.#memory.shift();
    }
    this.#x = this.trial;
    this.#iterations++;
    this.#arrive(value, gradient);
    this.#turn();
  }

  #arrive(value: number, gradient: Float64Array): void {
    this.#value = value;
    this.#gradient = gradient;
    let square = 0;
    for (let i = 0; i < gradient.length; i++) square += this.#scale[i] * gradient[i] * gradient[i];
    this.#slope = Math.sqrt(square);
  }

  /** Takes a new direction, or ends. */
  #turn(): void {
    this.#converged = this.#slope <= this.#tolerance * this.#firstSlope;
    if (this.#converged || this.#iterations >= this.#maxIterations) {
      this.done = true;
      return;
    }
    this.#direction = this.#newtonLike();
    this.#descentRate = dot(this.#direction, this.#gradient);
    this.#step = 1;
    this.#halvings = 0;
    this.#moveTrial();
  }

  /** The step was too long: the parabola through what is known says how much shorter. */
  #retreat(value: number): void {
    if (++this.#halvings > MOST_HALVINGS) {
      if (this.#memory.length === 0) {
        this.done = true; // the arithmetic shows no descent any more
        return;
      }
      this.#memory.length = 0;
      this.#turn();
      return;
    }
    const rise = value - this.#value - this.#step * this.#descentRate;
    const best = Number.isFinite(rise) ? -this.#descentRate * this.#step / (2 * rise) : 0;
    this.#step *= Math.min(0.5, Math.max(0.1, best));
    this.#moveTrial();
  }

  #moveTrial(): void {
    this.trial = this.#x.map((value, i) => value + this.#step * this.#direction[i]);
  }

  /** −H g by the two-loop recursion (Nocedal and Wright, Numerical Optimization, algorithm 7.4). */
  #newtonLike(): Float64Array {
    const q = this.#gradient.map((value) => -value);
    const alphas = new Float64Array(this.#memory.length);
    for (let m = this.#memory.length - 1; m >= 0; m--) {
      const { s, y, sy } = this.#memory[m];
      alphas[m] = dot(s, q) / sy;
      addScaled(q, y, -alphas[m]);
    }
    const last = this.#memory.at(-1);
    let gamma = 1;
    if (last) {
      let yPy = 0;
      for (let i = 0; i < q.length; i++) yPy += this.#scale[i] * last.y[i] * last.y[i];
      gamma = last.sy / yPy;
    }
    for (let i = 0; i < q.length; i++) q[i] *= gamma * this.#scale[i];
    this.#memory.forEach(({ s, y, sy }, m) => addScaled(q, s, alphas[m] - dot(y, q) / sy));
    return q;
  }

  #difference(a: Float64Array, b: Float64Array): Float64Array {
    return a.map((value, i) => value - b[i]);
  }
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}

function addScaled(target: Float64Array, source: Float64Array, factor: number): void {
  for (let i = 0; i < target.length; i++) target[i] += factor * source[i];
}
