/**
 * What a report's page shows, as it stands in the page: written by this program, read by `page/`.
 * Numbers are JSON, arrays as long as a scene are bytes beside it.
 */

/** One scalar over a run. Steps ascend; none is there twice. */
export interface Series {
  /** Steps completed before the one the value is of. */
  readonly step: readonly number[];
  /** Seconds since the run's first logged line. */
  readonly seconds: readonly number[];
  /** null: not a finite number. */
  readonly value: readonly (number | null)[];
}

/** How far a run has come. */
export interface Extent {
  /** Steps up to the last one logged. */
  readonly steps: number;
  /** Epochs completed. */
  readonly epochs: number;
  /** Epochs the configuration asks for; null where it does not say. */
  readonly epochsPlanned: number | null;
  /** Seconds from the first logged line to the last. */
  readonly seconds: number;
}

/** A run. */
export interface RunData {
  /** Unique in the report. */
  readonly name: string;
  /** The folder as it was given. */
  readonly directory: string;
  /** When its first line was logged, ISO 8601; null: nothing was. */
  readonly started: string | null;
  /** How far it has come. */
  readonly extent: Extent;
  /** What computed it; null: not known. */
  readonly device: string | null;
  /** config.yaml, values as the file has them. */
  readonly config: Readonly<Record<string, unknown>>;
  /** By the name in metrics.jsonl. */
  readonly series: Readonly<Record<string, Series>>;
  /** What a reader must know: lines left out, values that are not finite. */
  readonly notes: readonly string[];
}

/** Where a typed array lies in a scene's bytes. */
export interface Section {
  /** First byte. */
  readonly offset: number;
  /** Values, not bytes. */
  readonly length: number;
}

/** The features of one branch at a scene's points. */
export interface BranchData {
  /** What the page calls it. */
  readonly name: "G2L" | "L2G";
  /** Uint8 (N, 3): the first three principal components as red, green, blue. */
  readonly colors: Section;
  /**
   * Int8 (N, width): directions of the features on the axes that hold most of them, 127 to a unit.
   */
  readonly features: Section;
  /** Axes. The same in all scenes, so that points of different scenes can be compared. */
  readonly width: number;
  /** How much of the features' squared length those axes hold, 0 to 1. */
  readonly kept: number;
}

/** The regions of a level as segments of points. */
export interface LevelData {
  /** The root's is 0. */
  readonly level: number;
  /** Regions of this level. */
  readonly regions: number;
  /** Uint32: the first point of each segment. */
  readonly start: Section;
  /** Uint32: its deepest region that is no deeper than the level, by number in the scene's tree. */
  readonly region: Section;
}

/** A scene: its points in the order of its tree, so that regions are segments. */
export interface SceneData {
  readonly id: string;
  /** Points shown. */
  readonly points: number;
  /** Points the encoder saw. */
  readonly pointsOfScene: number;
  /** A coordinate is `origin[k] + scale * value`. */
  readonly origin: readonly [number, number, number];
  readonly scale: number;
  /** Int16 (N, 3). */
  readonly positions: Section;
  readonly branches: readonly BranchData[];
  readonly levels: readonly LevelData[];
  /** Uint8 (N, 3); null: the scene has no colours. */
  readonly colors: Section | null;
  /** Int32 (N); null: it has no labels. */
  readonly labels: Section | null;
}

/** Everything. */
export interface ReportData {
  /** When the report was made, ISO 8601. */
  readonly made: string;
  readonly runs: readonly RunData[];
  readonly scenes: readonly SceneData[];
  /**
   * The weights that the scenes' features are of: the run's name and the checkpoint; null without
   * scenes.
   */
  readonly encoder: { readonly run: string; readonly checkpoint: string } | null;
  /** Why there are no scenes, or fewer. */
  readonly notes: readonly string[];
}
