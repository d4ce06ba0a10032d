/** What a text without a telling ending holds: points, or poses, or neither. */

import { areAxes } from "../column_names.ts";
import { binaryByte, splitNames } from "./text_rows.ts";

/** Lines looked at. */
const MOST_LINES = 200;
const NUMBER = /^[-+]?(\d+([.,]\d*)?|\.\d+)(e[-+]?\d+)?$|^[-+]?(nan|inf(inity)?)$/i;

/** The real part of a quaternion, as trajectories name it: points have no turn. */
const QUATERNION = /^(q_?w|quat(ernion)?_?w|rot(ation)?_?w)$/i;

/**
 * What a file is that may be any text: lists, notes and the like have no line that begins with
 * three numbers, `poses` hold nothing but rotations with positions, as odometry and cameras are
 * written. Undefined for whatever may be points, and for what a reader has to explain: an empty
 * file, a header without rows, bytes that are no text.
 *
 * @param head The file's first bytes. @param size Bytes of the whole file.
 */
export function textContent(head: Uint8Array, size: number): "no points" | "poses" | undefined {
  if (size === 0 || binaryByte(head) >= 0) return undefined;
  const text = new TextDecoder().decode(head);
  const lines = text.split(/[\r\n]+/).map((line) => line.trim()).filter((line) => line !== "");
  // The last line may be cut off.
  if (size > head.length && lines.length > 1) lines.pop();
  const rows: number[][] = [];
  for (const line of lines.slice(0, MOST_LINES)) {
    const bare = line.replace(/^(#|%|\/\/)+\s*/, "");
    const names = splitNames(bare, undefined);
    if (areAxes(names)) return names.some((name) => QUATERNION.test(name)) ? "poses" : undefined;
    if (bare !== line) continue;
    const words = line.replaceAll('"', " ").trim().split(/[\s;|]+|,(?=\s|[-+.\d"])/);
    const leading = words.findIndex((word) => !NUMBER.test(word));
    const count = leading < 0 ? words.length : leading;
    rows.push(words.slice(0, count).map((word) => Number(word.replace(",", "."))));
  }
  const longest = rows.filter((row) => row.length >= 3);
  if (longest.length === 0) return "no points";
  // A line before may say what they are of.
  return longest.length >= rows.length - 1 && arePoses(longest) ? "poses" : undefined;
}

/**
 * True where each row is a pose (3 × 4 or 4 × 4 values, or a position and a quaternion), or all
 * rows are one matrix.
 */
function arePoses(rows: readonly (readonly number[])[]): boolean {
  const width = rows[0].length;
  if (rows.some((row) => row.length !== width)) return false;
  if (width === 12 || width === 16) return rows.every((row) => isRotation(row, 4));
  if (width === 4 && (rows.length === 3 || rows.length === 4)) {
    return (rows.length === 3 || isLastRow(rows[3])) && isTransform(rows.flat());
  }
  if (width === 3 && rows.length === 3) return isTransform(rows.flat(), 3);
  // Time, position, quaternion: times go up, quaternions have length 1.
  return width === 8 && rows.length > 1 &&
    rows.every((row, i) =>
      Math.abs(Math.hypot(...row.slice(4)) - 1) < 1e-3 && (i === 0 || row[0] > rows[i - 1][0])
    );
}

function isLastRow(row: readonly number[]): boolean {
  return row.every((value, k) => value === (k === 3 ? 1 : 0));
}

/** A rotation with a position, or a camera's intrinsics: focal lengths, a centre, zeros below. */
function isTransform(values: readonly number[], stride = 4): boolean {
  const at = (row: number, column: number): number => values[row * stride + column];
  const intrinsics = at(1, 0) === 0 && at(2, 0) === 0 && at(2, 1) === 0 && at(2, 2) === 1 &&
    at(0, 0) > 0 && at(1, 1) > 0;
  return intrinsics || isRotation(values, stride);
}

function isRotation(values: readonly number[], stride: number): boolean {
  const row = (k: number): readonly number[] => values.slice(k * stride, k * stride + 3);
  const dot = (a: readonly number[], b: readonly number[]): number =>
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
  return [0, 1, 2].every((i) =>
    [0, 1, 2].every((j) => Math.abs(dot(row(i), row(j)) - (i === j ? 1 : 0)) < 1e-2)
  );
}
