/**
 * TensorBoard event files: TFRecord framing around Event messages of Protocol Buffers.
 *
 * Formats: tensorflow/core/lib/io/record_writer.h, tensorboard/compat/proto/event.proto and
 * summary.proto.
 */

import { join } from "@std/path";
import { type AppendFile, openAppendFile } from "../base/append_file.ts";
import { crc32c } from "../base/crc32c.ts";

/** Options of `EventWriter.create`. */
export interface EventWriterOptions {
  /** Seconds since 1970, in the file's name and its first event; default now. */
  readonly startTime?: number;
  /**
   * The first step that this file will hold, for a run that goes on: TensorBoard then drops what an
   * earlier file of the folder says of this step and later ones.
   */
  readonly firstStep?: number;
}

let filesMade = 0;

/**
 * Writes scalars for TensorBoard. A folder may hold several files; TensorBoard shows them as one
 * run.
 */
export class EventWriter implements Disposable {
  /** The file's path. */
  readonly path: string;
  readonly #file: AppendFile;
  #pending: Uint8Array[] = [];

  private constructor(path: string) {
    this.path = path;
    this.#file = openAppendFile(path);
  }

  /**
   * Starts a new event file in `folder`, which must exist.
   *
   * @throws {DataError} The file can't be made.
   */
  static create(folder: string, options: EventWriterOptions = {}): EventWriter {
    const { startTime = Date.now() / 1000, firstStep } = options;
    const seconds = String(Math.floor(startTime)).padStart(10, "0");
    // TensorBoard knows event files by "tfevents"; the rest keeps two writers apart.
    const name = `events.out.tfevents.${seconds}.${hostName()}.${Deno.pid}.${filesMade++}`;
    const writer = new EventWriter(join(folder, name));
    writer.#event(startTime, 0, text(3, "brain.Event:2"));
    if (firstStep !== undefined) {
      writer.#event(startTime, firstStep, message(7, varint(1, 1))); // SessionLog { status: START }
    }
    writer.flush();
    return writer;
  }

  /**
   * Notes one value; `flush` writes it. `wallTime`: seconds since 1970, default now. NaN and
   * infinities are kept.
   */
  scalar(tag: string, value: number, step: number, wallTime: number = Date.now() / 1000): void {
    const entry = concat([text(1, tag), float(2, value)]);
    this.#event(wallTime, step, message(5, message(1, entry)));
  }

  /**
   * Hands what was noted to the system.
   *
   * @throws {DataError} The system refuses (disk full).
   */
  flush(): void {
    const bytes = concat(this.#pending);
    this.#pending = [];
    if (bytes.length > 0) this.#file.append(bytes);
  }

  /** Flushes and closes. */
  close(): void {
    try {
      this.flush();
    } finally {
      this.#file.close();
    }
  }

  /** As `close`. */
  [Symbol.dispose](): void {
    this.close();
  }

  #event(wallTime: number, step: number, what: Uint8Array): void {
    const event = concat([double(1, wallTime), varint(2, step), what]);
    this.#pending.push(frame(event));
  }
}

/** One TFRecord: length and data, each followed by its masked checksum. */
function frame(data: Uint8Array): Uint8Array {
  const record = new Uint8Array(12 + data.length + 4);
  const view = new DataView(record.buffer);
  view.setBigUint64(0, BigInt(data.length), true);
  view.setUint32(8, mask(crc32c(record.subarray(0, 8))), true);
  record.set(data, 12);
  view.setUint32(12 + data.length, mask(crc32c(data)), true);
  return record;
}

/** TFRecord's masking, made for records that hold checksums themselves. */
function mask(crc: number): number {
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

// Protocol Buffers: a field is its number and wire type, then its value.
// https://protobuf.dev/programming-guides/encoding

function varint(field: number, value: number): Uint8Array {
  return concat([base128(field << 3), base128(value)]);
}

function double(field: number, value: number): Uint8Array {
  const bytes = new Uint8Array(9);
  bytes[0] = field << 3 | 1;
  new DataView(bytes.buffer).setFloat64(1, value, true);
  return bytes;
}

function float(field: number, value: number): Uint8Array {
  const bytes = new Uint8Array(5);
  bytes[0] = field << 3 | 5;
  new DataView(bytes.buffer).setFloat32(1, value, true);
  return bytes;
}

function message(field: number, content: Uint8Array): Uint8Array {
  return concat([base128(field << 3 | 2), base128(content.length), content]);
}

function text(field: number, value: string): Uint8Array {
  return message(field, new TextEncoder().encode(value));
}

/** A whole number from 0 to 2^53 in groups of 7 bits, the lowest first. */
function base128(value: number): Uint8Array {
  const bytes: number[] = [];
  for (; value >= 128; value = Math.floor(value / 128)) bytes.push(value % 128 | 128);
  return Uint8Array.of(...bytes, value);
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** This machine's name as part of a file name; a plain word where it may not be asked for. */
function hostName(): string {
  const { state } = Deno.permissions.querySync({ name: "sys", kind: "hostname" });
  return state === "granted" ? Deno.hostname().replace(/[^\w.-]/g, "_") : "localhost";
}
