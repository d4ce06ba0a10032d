/**
 * What columns are called, in tables, headers and comments of every format: the one list of names.
 */

function axisNames(axis: string, k: number): string[] {
  return [
    axis,
    ...["p", "pos_", "position_", "coord_", "point_", "point", "utm_", "world_", "global_"]
      .map((before) => before + axis),
    ...["coord", "_coord", "_coordinate", "_utm"].map((after) => axis + after),
    ...["points:", "points_", "points_m_xyz:"].map((before) => before + k),
  ];
}

/** Known names in lower case, units aside. The first that is there is taken. */
export const COLUMN_NAMES = {
  x: [
    ...axisNames("x", 0),
    ...["easting", "eastings", "east", "e", "utm_e", "utm_easting", "rechtswert", "ostwert"],
    ...["longitude", "lon", "long", "lng"],
  ],
  y: [
    ...axisNames("y", 1),
    ...["northing", "northings", "north", "n", "utm_n", "utm_northing", "hochwert", "nordwert"],
    ...["latitude", "lat"],
  ],
  z: [
    ...axisNames("z", 2),
    ...["elevation", "height", "altitude", "elev", "alt", "h", "hoehe", "höhe", "heights"],
    ...["ellipsoidal_height", "orthometric_height"],
  ],
  normals: [
    ["nx", "ny", "nz"],
    ["normal_x", "normal_y", "normal_z"],
    ["normalx", "normaly", "normalz"],
    ["n_x", "n_y", "n_z"],
    ["normals:0", "normals:1", "normals:2"],
    ["normals_0", "normals_1", "normals_2"],
  ],
  colors: [
    ["red", "green", "blue"],
    ["r", "g", "b"],
    ["diffuse_red", "diffuse_green", "diffuse_blue"],
    ["rf", "gf", "bf"],
    ["color_r", "color_g", "color_b"],
    ["color_red", "color_green", "color_blue"],
  ],
  packedColors: ["rgb", "rgba"],
  intensity: ["intensity", "intensities", "scalar_intensity"],
  labels: [
    ...["label", "labels", "class", "classification"].flatMap((name) => [name, `scalar_${name}`]),
    ...["scalar_labels", "class_id", "classid", "class_label", "classlabel", "class_name"],
    ...["semantic_label", "semantic", "sem_label", "sem_class", "semantic_class", "semclass"],
    ...["sem", "semantic_id", "sem_id", "semantics", "scalar_sem_class", "category", "category_id"],
    ...["point_class", "object_class", "ground_truth", "gt", "segment", "segment20", "segment200"],
  ],
  instances: [
    ...["instance", "instances", "instance_id", "scalar_instance", "instance_label"],
    ...["inst", "inst_id", "inst_label", "ins", "ins_id", "ins_class", "ins_label", "instanceid"],
    ...["scalar_ins_class", "object_id", "obj_id"],
  ],
} as const;

const UNIT = /\s*(\[[^\]]*\]|\([^)]*\)|\{[^}]*\}|<[^>]*>)$/;
const UNIT_WORD = /(_|\s+in\s+|\s*\/\s*|\s+)(m|mm|cm|km|ft|metres?|meters?|feet|deg|degrees?|°)$/;

/**
 * A name as the list has it: lower case, without a unit (`Position X [m]`, `easting_m`), blanks as
 * underscores.
 */
export function plainName(name: string): string {
  return name.toLowerCase().trim().replace(UNIT, "").replace(UNIT_WORD, "").trim()
    .replace(/\s+/g, "_");
}

const AXES = [COLUMN_NAMES.x, COLUMN_NAMES.y].map((names) => new Set<string>(names));

/** True for a line of names of which one is an x and one a y, whatever they are called. */
export function areAxes(names: readonly string[]): boolean {
  const plain = names.map(plainName);
  return AXES.every((axis) => plain.some((name) => axis.has(name)));
}

const LABELS = new Set<string>(COLUMN_NAMES.labels);

/** True for a column of labels, by its name. */
export function isLabelName(name: string): boolean {
  return LABELS.has(plainName(name));
}
