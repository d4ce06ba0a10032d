/**
 * The classifiers of the protocols: each is a family of one number, which is chosen without looking
 * at the test.
 */

import type { Device } from "../../gpu/device.ts";
import { fitLinear, predictLinear } from "./linear_head.ts";
import { predictNeighbors } from "./neighbors.ts";
import type { LabelledTable, Table } from "./table.ts";

/** The classifiers by name: logistic regression, linear SVM, nearest neighbours. */
export type ClassifierName = "linear" | "svm" | "knn";

/** A classifier with one number that has to be chosen. */
export interface Classifier {
  /** For people. */
  readonly title: string;
  /** What the number is called. */
  readonly parameter: string;
  /** Its candidates, in order; of equally good ones the middle one is taken. */
  readonly candidates: readonly number[];
  /** For each table and candidate the class of each row. */
  predict(
    device: Device,
    train: LabelledTable,
    classes: number,
    tables: readonly Table[],
    candidates: readonly number[],
    axes: Float32Array,
  ): Promise<Uint32Array[][]>;
}

/** λ of ½ λ ‖W‖² beside the mean loss, the strongest first. */
const STRENGTHS: readonly number[] = [10, 1, 0.1, 0.01, 1e-3, 1e-4, 1e-5, 1e-6];
const NEIGHBORS: readonly number[] = [1, 5, 10, 20, 50];

function linear(kind: "logistic" | "svm", title: string): Classifier {
  return {
    title,
    parameter: "λ",
    candidates: STRENGTHS,
    async predict(device, train, classes, tables, candidates, axes) {
      const heads = await fitLinear(device, kind, train, classes, candidates, { axes });
      const all: Uint32Array[][] = [];
      for (const table of tables) all.push(await predictLinear(device, heads, table));
      return all;
    },
  };
}

/** All classifiers. */
export const CLASSIFIERS: Readonly<Record<ClassifierName, Classifier>> = {
  linear: linear("logistic", "logistic regression"),
  svm: linear("svm", "linear SVM"),
  knn: {
    title: "nearest neighbours",
    parameter: "k",
    candidates: NEIGHBORS,
    async predict(device, train, classes, tables, candidates) {
      const all: Uint32Array[][] = [];
      for (const table of tables) {
        all.push(await predictNeighbors(device, train, table, classes, candidates));
      }
      return all;
    },
  },
};
