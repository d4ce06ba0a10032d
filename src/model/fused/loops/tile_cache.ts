/** What the tuner measured, kept in a small file of the user's cache folder. */

import { dirname, isAbsolute, join } from "@std/path";
import { writeFileAtomically } from "../../../base/atomic_write.ts";
import type { Device } from "../../../gpu/device.ts";
import { CANDIDATES, type LinearTile, tileName } from "./linear_tiles.ts";

/** Raised when a kernel or a candidate changes: what was measured before is then worth nothing. */
export const TILES_VERSION = 1;
/** A file larger than this is none of ours. */
const MOST_BYTES = 1 << 20;

/** Tiles by shape, by device. */
type Measured = Map<string, Map<string, LinearTile>>;

/** Where measurements are kept. */
export interface TileCache {
  /** The file; its folder may be missing. */
  readonly path: string;
  /** The device's name in it. */
  readonly device: string;
  /** Tiles by shape, known for this device. */
  readonly tiles: Map<string, LinearTile>;
}

/** What of the environment decides where the cache lies. */
export interface CacheEnvironment {
  readonly os: typeof Deno.build.os;
  readonly get: (name: string) => string | undefined;
}

/** The file that measurements are kept in; null: this environment names no folder for caches. */
export function cachePath({ os, get }: CacheEnvironment): string | null {
  const under = (folder: string | undefined, ...parts: string[]) =>
    folder && isAbsolute(folder) ? join(folder, ...parts, "dbbd", "tiles.json") : null;
  if (os === "windows") return under(get("LOCALAPPDATA"));
  if (os === "darwin") return under(get("HOME"), "Library", "Caches");
  return under(get("XDG_CACHE_HOME")) ?? under(get("HOME"), ".cache");
}

/**
 * What a device is called in the cache: adapter, kind, and the versions of the runtime that compiles for it. WebGPU names
 * no driver version; Mesa's stands in its adapter's name.
 */
export function deviceKey({ gpu, name, kind }: Pick<Device, "gpu" | "name" | "kind">): string {
  const { vendor, architecture, device } = gpu.adapterInfo;
  const runtime = `${Deno.build.os} Deno ${Deno.version.deno}`;
  return [name, vendor, architecture, device, kind, runtime].filter(Boolean).join("; ");
}

/** What a cache file holds; nothing if it is not one, or one of another version. */
export function readTiles(text: string): Measured {
  const measured: Measured = new Map();
  const known = new Map(
    [...CANDIDATES.gpu, ...CANDIDATES.software].map((tile) => [tileName(tile), tile]),
  );
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch {
    return measured; // a cache that cannot be read is an empty one
  }
  if (!isRecord(content) || content.version !== TILES_VERSION) return measured;
  for (const [device, shapes] of entries(content.devices)) {
    const tiles = new Map<string, LinearTile>();
    for (const [shape, name] of entries(shapes)) {
      const tile = typeof name === "string" ? known.get(name) : undefined;
      if (tile) tiles.set(shape, tile);
    }
    measured.set(device, tiles);
  }
  return measured;
}

/** The text of a cache file. */
export function writeTiles(measured: Measured): string {
  const devices = Object.fromEntries(
    [...measured].map(([device, tiles]) => [
      device,
      Object.fromEntries([...tiles].map(([shape, tile]) => [shape, tileName(tile)])),
    ]),
  );
  return JSON.stringify({ version: TILES_VERSION, devices }, null, 2) + "\n";
}

/** The cache of a device; a text says why there is none. A file of rubbish is an empty cache. */
export async function openTileCache(device: Device): Promise<TileCache | string> {
  if (!granted({ name: "env" })) return "no permission to read the environment";
  const path = cachePath({ os: Deno.build.os, get: (name) => Deno.env.get(name) });
  if (path === null) return "the environment names no folder for caches";
  if (!granted({ name: "read", path }) || !granted({ name: "write", path: dirname(path) })) {
    return `no permission to read and write ${dirname(path)}`;
  }
  return await cacheAt(path, deviceKey(device));
}

/** The cache in a file. */
export async function cacheAt(path: string, device: string): Promise<TileCache | string> {
  try {
    return { path, device, tiles: (await load(path)).get(device) ?? new Map() };
  } catch (error) {
    return reason(error);
  }
}

/** Write the cache's tiles to its file, beside what other devices and processes put there; a text says why that failed. */
export async function saveTileCache({ path, device, tiles }: TileCache): Promise<string | null> {
  try {
    await Deno.mkdir(dirname(path), { recursive: true });
    const all = await load(path);
    all.set(device, new Map([...all.get(device) ?? [], ...tiles]));
    await writeFileAtomically(path, new TextEncoder().encode(writeTiles(all)));
    return null;
  } catch (error) {
    return reason(error);
  }
}

async function load(path: string): Promise<Measured> {
  try {
    const { size } = await Deno.stat(path);
    return readTiles(size > MOST_BYTES ? "" : await Deno.readTextFile(path));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return new Map();
    throw error;
  }
}

function granted(permission: Deno.PermissionDescriptor): boolean {
  return Deno.permissions.querySync(permission).state === "granted";
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function entries(value: unknown): [string, unknown][] {
  return isRecord(value) ? Object.entries(value) : [];
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
