/**
 * Workers that answer requests one at a time, and errors that cross between threads as what they
 * were.
 */

import { DataError, UsageError } from "./errors.ts";

/** A request's answer, and which of its buffers are handed over instead of copied. */
export interface Answer<R> {
  /** Must be cloneable. */
  readonly result: R;
  /** Buffers of the result; none when absent. */
  readonly transfer?: ArrayBuffer[];
}

/** What a worker sends back. */
type Reply<R> = { readonly result: R } | {
  readonly error: { readonly name: string; readonly message: string };
};

interface Waiting<Q, R> {
  readonly request: Q;
  readonly resolve: (result: R) => void;
  readonly reject: (error: Error) => void;
}

/**
 * A number of workers of one module, which calls `serveRequests`. Requests are answered in the
 * order in which they were made, as far as several workers keep one.
 */
export class WorkerPool<Q, R> implements Disposable {
  /** How many workers. */
  readonly size: number;
  readonly #start: () => Worker;
  readonly #idle: Worker[] = [];
  readonly #busy = new Map<Worker, Waiting<Q, R>>();
  readonly #queue: Waiting<Q, R>[] = [];
  /** Workers that have answered: they can start. */
  readonly #answering = new WeakSet<Worker>();
  /** Why there are no workers any more. */
  #broken: string | undefined;
  #closed = false;

  /**
   * Starts `size` workers of `module`; each gets `setup` (which must be cloneable) before its first
   * request.
   */
  constructor(module: URL, size: number, setup: unknown) {
    this.size = size;
    this.#start = () => {
      const worker = new Worker(module.href, { type: "module" });
      worker.onmessage = ({ data }: MessageEvent<Reply<R>>) => this.#answered(worker, data);
      worker.onerror = (event) => {
        event.preventDefault(); // or it would end this thread too
        this.#broke(worker, event.message);
      };
      worker.postMessage({ setup });
      return worker;
    };
    for (let i = 0; i < size; i++) this.#idle.push(this.#start());
  }

  /**
   * The answer of the next free worker. Rejects with the error that it met, or when the pool is
   * closed.
   */
  run(request: Q): Promise<R> {
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(new Error("The workers are closed"));
      if (this.#broken !== undefined) return reject(new Error(this.#broken));
      this.#queue.push({ request, resolve, reject });
      this.#next();
    });
  }

  #next(): void {
    while (this.#idle.length > 0 && this.#queue.length > 0) {
      const worker = this.#idle.pop()!, waiting = this.#queue.shift()!;
      this.#busy.set(worker, waiting);
      worker.postMessage({ request: waiting.request });
    }
  }

  #answered(worker: Worker, reply: Reply<R>): void {
    const waiting = this.#busy.get(worker);
    if (waiting === undefined || this.#closed) return;
    this.#busy.delete(worker);
    this.#answering.add(worker);
    this.#idle.push(worker);
    if ("result" in reply) waiting.resolve(reply.result);
    else waiting.reject(revive(reply.error));
    this.#next();
  }

  /**
   * The worker is lost: a fault of its program, or no memory. Another takes its place, unless it
   * could not start.
   */
  #broke(worker: Worker, message: string): void {
    const waiting = this.#busy.get(worker);
    this.#busy.delete(worker);
    worker.terminate();
    if (this.#closed) return;
    const at = this.#idle.indexOf(worker);
    if (at >= 0) this.#idle.splice(at, 1);
    waiting?.reject(new Error(message));
    if (this.#answering.has(worker)) this.#idle.push(this.#start());
    else if (this.#idle.length + this.#busy.size === 0) {
      this.#broken = message;
      for (const { reject } of this.#queue.splice(0)) reject(new Error(message));
    }
    this.#next();
  }

  /** Ends all workers at once; what was not answered is rejected. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    const left = [...this.#busy.values(), ...this.#queue.splice(0)];
    for (const worker of [...this.#busy.keys(), ...this.#idle]) worker.terminate();
    this.#busy.clear();
    for (const { reject } of left) reject(new Error("The workers are closed"));
  }

  /** As `close`. */
  [Symbol.dispose](): void {
    this.close();
  }
}

/** What a worker's global object offers. */
interface WorkerScope {
  onmessage: ((event: MessageEvent) => void) | null;
  postMessage(message: unknown, transfer?: ArrayBuffer[]): void;
}

/**
 * Called by a worker's module: `start` gets the pool's setup and gives the function that answers
 * requests. What either throws, the request's caller gets.
 */
export function serveRequests<S, Q, R>(
  start: (setup: S) => (request: Q) => Promise<Answer<R>>,
): void {
  const scope = globalThis as unknown as WorkerScope;
  let answer: (request: Q) => Promise<Answer<R>>;
  scope.onmessage = async ({ data }) => {
    try {
      if ("setup" in data) {
        answer = failing(() => start(data.setup));
        return;
      }
      const { result, transfer } = await answer(data.request);
      scope.postMessage({ result }, transfer ?? []);
    } catch (error) {
      const { name, message } = error instanceof Error ? error : new Error(String(error));
      scope.postMessage({ error: { name, message } });
    }
  };
}

/** What `make` makes; where it throws, a function that throws the same when it is called. */
function failing<Q, R>(make: () => (request: Q) => Promise<R>): (request: Q) => Promise<R> {
  try {
    return make();
  } catch (error) {
    return () => Promise.reject(error);
  }
}

function revive({ name, message }: { name: string; message: string }): Error {
  if (name === "UsageError") return new UsageError(message);
  if (name === "DataError") return new DataError(message);
  const error = new Error(message);
  error.name = name;
  return error;
}
