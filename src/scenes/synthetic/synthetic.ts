/**
 * Procedural indoor scenes, for tests, first steps and small_mode: docs/model.md, Synthetic scenes.
 */

import { UsageError } from "../../base/errors.ts";
import { Random } from "../../base/random.ts";
import type { Dataset, Scene } from "../scene.ts";
import { cuboid, cylinder, patch, type Place, sphere, type Surface } from "./surfaces.ts";
import { buildTree, type TreeOptions } from "../tree_builder.ts";

/** What a point's label says: the kind of surface it lies on. */
export const SYNTHETIC_SURFACES = [
  "floor",
  "wall",
  "table",
  "shelf",
  "box",
  "sphere",
  "cylinder",
] as const;

/** What a scene's label says: the kind of room, which decides what mostly stands in it. */
export const SYNTHETIC_ROOMS = ["office", "library", "playroom", "storeroom"] as const;

/** Which scenes to make, and how they are cut into regions. */
export interface SyntheticOptions extends TreeOptions {
  /** How many scenes. */
  readonly scenes: number;
  /** 42 when absent. */
  readonly seed?: number;
  /**
   * Number of the first scene; 0 when absent. Sets with other numbers hold other scenes (train and
   * validation).
   */
  readonly start?: number;
  /** Points in a scene; 2,048 when absent. */
  readonly points?: number;
  /** Level below which nothing is split; 2 when absent. */
  readonly maxDepth?: number;
  /** Standard deviation of the noise on each coordinate, in metres; 0.005 when absent. */
  readonly noise?: number;
}

/** Enough to make the same scenes elsewhere: in a worker. */
export interface SyntheticSource {
  /** Which kind of dataset. */
  readonly kind: "synthetic";
  /** Which scenes. */
  readonly options: SyntheticOptions;
}

type Furniture = Exclude<typeof SYNTHETIC_SURFACES[number], "floor" | "wall">;

/** How likely each kind of furniture is in each kind of room. */
const FURNISHING: Readonly<
  Record<typeof SYNTHETIC_ROOMS[number], Readonly<Record<Furniture, number>>>
> = {
  office: { table: 0.6, shelf: 0.1, box: 0.1, sphere: 0.05, cylinder: 0.15 },
  library: { table: 0.15, shelf: 0.65, box: 0.1, sphere: 0.05, cylinder: 0.05 },
  playroom: { table: 0.1, shelf: 0.05, box: 0.2, sphere: 0.6, cylinder: 0.05 },
  storeroom: { table: 0.05, shelf: 0.1, box: 0.45, sphere: 0.05, cylinder: 0.35 },
};

/**
 * Rooms with floor, walls, tables, shelves, boxes, spheres and cylinders, sampled evenly by area.
 * Features are the exact unit normals of the surfaces; coordinates carry normal noise; z is up, the
 * floor at 0, the room's middle at x = y = 0. Labels (`SYNTHETIC_SURFACES`, `SYNTHETIC_ROOMS`) are
 * for probes.
 *
 * A scene is made from the seed and its number alone, when it is asked for; nothing is kept. Its
 * number also decides its kind of room (number modulo four). The same room can be had at any number
 * of points.
 */
export class SyntheticDataset implements Dataset {
  readonly length: number;
  /** What makes this dataset again. */
  readonly source: SyntheticSource;
  readonly #options: Required<Omit<SyntheticOptions, keyof TreeOptions>>;
  readonly #tree: TreeOptions;

  /** Throws UsageError for an option out of range. */
  constructor(options: SyntheticOptions) {
    const { scenes, seed = 42, start = 0, points = 2048, noise = 0.005 } = options;
    const { branching, maxDepth = 2, minPoints } = options;
    checkWhole("scenes", scenes, 0);
    checkWhole("start", start, 0);
    checkWhole("points", points, 1);
    if (!(noise >= 0 && noise < Infinity)) {
      throw new UsageError(
        `Cannot make synthetic scenes: noise: expected metres of at least 0, got ${noise}`,
      );
    }
    new Random(seed); // refuses a bad seed now, not at the first scene
    this.length = scenes;
    this.source = { kind: "synthetic", options };
    this.#options = { scenes, seed, start, points, noise };
    this.#tree = { branching, maxDepth, minPoints };
  }

  /** Makes scene `index` of this set, whose number is `start + index`. */
  get(index: number): Promise<Scene> {
    if (!Number.isInteger(index) || index < 0 || index >= this.length) {
      return Promise.reject(
        new UsageError(
          `Cannot make synthetic scene ${index}: expected a number from 0 to ${this.length - 1}`,
        ),
      );
    }
    const { seed, start, points, noise } = this.#options;
    const number = start + index;
    const sceneLabel = number % SYNTHETIC_ROOMS.length;
    const surfaces = furnishedRoom(new Random(seed, "synthetic room", number), sceneLabel);
    const sampled = sample(
      surfaces,
      points,
      noise,
      new Random(seed, "synthetic points", number),
    );
    return Promise.resolve({
      id: `synthetic_${String(number).padStart(6, "0")}`,
      coords: sampled.coords,
      feats: sampled.normals,
      featureColumns: [{ name: "normals", width: 3, kind: "vector" }],
      tree: buildTree(sampled.coords, this.#tree),
      pointLabels: sampled.labels,
      sceneLabel,
    });
  }
}

function checkWhole(name: string, value: number, least: number): void {
  if (Number.isSafeInteger(value) && value >= least) return;
  throw new UsageError(
    `Cannot make synthetic scenes: ${name}: expected an integer of at least ${least}, got ${value}`,
  );
}

function label(kind: typeof SYNTHETIC_SURFACES[number]): number {
  return SYNTHETIC_SURFACES.indexOf(kind);
}

function furnishedRoom(random: Random, room: number): Surface[] {
  const width = random.uniform(4, 8),
    depth = random.uniform(3.5, 7),
    height = random.uniform(2.4, 3);
  const x = width / 2, y = depth / 2;
  const surfaces = [
    patch(label("floor"), [-x, -y, 0], [width, 0, 0], [0, depth, 0]),
    patch(label("wall"), [-x, -y, 0], [0, depth, 0], [0, 0, height]),
    patch(label("wall"), [x, -y, 0], [0, 0, height], [0, depth, 0]),
    patch(label("wall"), [-x, -y, 0], [0, 0, height], [width, 0, 0]),
    patch(label("wall"), [-x, y, 0], [width, 0, 0], [0, 0, height]),
  ];
  const mix = FURNISHING[SYNTHETIC_ROOMS[room]];
  const taken: { x: number; y: number; radius: number }[] = [];
  for (let piece = 5 + random.int(6); piece > 0; piece--) {
    const { radius, build } = MAKERS[drawKind(mix, random)](random);
    // A crowded room ends up with fewer pieces.
    for (let attempt = 0; attempt < 20; attempt++) {
      const at = {
        x: random.uniform(radius - x, x - radius),
        y: random.uniform(radius - y, y - radius),
        yaw: random.uniform(0, 2 * Math.PI),
      };
      if (
        taken.some((other) => Math.hypot(other.x - at.x, other.y - at.y) < other.radius + radius)
      ) {
        continue;
      }
      taken.push({ x: at.x, y: at.y, radius });
      surfaces.push(...build(at));
      break;
    }
  }
  return surfaces;
}

function drawKind(mix: Readonly<Record<Furniture, number>>, random: Random): Furniture {
  const kinds = Object.keys(mix) as Furniture[];
  let left = random.uniform();
  return kinds.find((kind) => (left -= mix[kind]) < 0) ?? kinds[kinds.length - 1];
}

/** A piece of furniture: the radius of the floor it needs, and its surfaces once it has a place. */
interface Piece {
  readonly radius: number;
  readonly build: (place: Place) => Surface[];
}

const MAKERS: Readonly<Record<Furniture, (random: Random) => Piece>> = {
  table(random) {
    const x = random.uniform(0.4, 0.8),
      y = random.uniform(0.3, 0.5),
      top = random.uniform(0.6, 0.8);
    const leg = 0.05, slab = 0.04, kind = label("table");
    return {
      radius: Math.hypot(x, y),
      build: (place) => [
        ...cuboid(kind, place, [-x, -y, top - slab], [x, y, top]),
        ...[[-x, -y], [x - leg, -y], [-x, y - leg], [x - leg, y - leg]].flatMap(([legX, legY]) =>
          cuboid(kind, place, [legX, legY, 0], [legX + leg, legY + leg, top - slab])
        ),
      ],
    };
  },
  shelf(random) {
    const x = random.uniform(0.4, 0.7),
      y = random.uniform(0.15, 0.2),
      top = random.uniform(1.2, 2.1);
    const boards = 3 + random.int(3), slab = 0.03, kind = label("shelf");
    return {
      radius: Math.hypot(x, y),
      build: (place) => [
        ...cuboid(kind, place, [-x, -y, 0], [-x + slab, y, top]),
        ...cuboid(kind, place, [x - slab, -y, 0], [x, y, top]),
        ...Array.from({ length: boards }, (_, board) => {
          const z = top * (board + 1) / boards;
          return cuboid(kind, place, [-x + slab, -y, z - slab], [x - slab, y, z]);
        }).flat(),
      ],
    };
  },
  box(random) {
    const x = random.uniform(0.15, 0.4),
      y = random.uniform(0.15, 0.4),
      z = random.uniform(0.2, 0.9);
    return {
      radius: Math.hypot(x, y),
      build: (place) => cuboid(label("box"), place, [-x, -y, 0], [x, y, z]),
    };
  },
  sphere(random) {
    const radius = random.uniform(0.15, 0.45);
    return { radius, build: ({ x, y }) => [sphere(label("sphere"), [x, y, radius], radius)] };
  },
  cylinder(random) {
    const radius = random.uniform(0.12, 0.35), height = random.uniform(0.4, 1.5);
    return { radius, build: ({ x, y }) => cylinder(label("cylinder"), [x, y, 0], radius, height) };
  },
};

function sample(
  surfaces: readonly Surface[],
  points: number,
  noise: number,
  random: Random,
): { coords: Float32Array; normals: Float32Array; labels: Int32Array } {
  const upTo: number[] = []; // upTo[s]: area of surfaces 0 to s together
  let total = 0;
  for (const { area } of surfaces) upTo.push(total += area);
  const coords = new Float32Array(3 * points), normals = new Float32Array(3 * points);
  const labels = new Int32Array(points);
  for (let point = 0; point < points; point++) {
    const where = random.uniform(0, total);
    const surface = surfaces[upTo.findIndex((sum) => where < sum)];
    labels[point] = surface.label;
    surface.draw(random, coords, normals, 3 * point);
  }
  for (let i = 0; i < coords.length; i++) coords[i] += noise * random.normal();
  return { coords, normals, labels };
}
