import { assertAlmostEquals, assertGreater } from "@std/assert";
import { Model } from "../../src/model/model.ts";
import type { Scene } from "../../src/scenes/scene.ts";
import { SceneEncoder } from "../../src/inference/encoder.ts";
import { deviceTest, testDevice } from "../support/device.ts";
import { tinyConfig, tinyRooms } from "../support/training.ts";

/** The largest difference of G2L's point features, of the plain and the moved scene. */
async function change(propagator_coords: "plain" | "parent", fused: boolean): Promise<number> {
  const device = await testDevice();
  const config = tinyConfig({ propagator_coords });
  using model = new Model(device, config, { fused });
  model.parameters.initialise(3);
  using encoder = new SceneEncoder(model, config);
  const scene: Scene = await tinyRooms().get(0);
  // Multiples of a power of two: the differences of coordinates stay what they are.
  const coords = scene.coords.map((x) => Math.round(x * 1024) / 1024);
  const moved = coords.map((x, i) => x + [8, -16, 4][i % 3]);
  const [here, there] = await Promise.all([coords, moved].map(async (coords) => {
    const [{ points }] = await encoder.encode([{ ...scene, coords }], ["g2l"]);
    return points.g2l;
  }));
  return here.reduce((most, value, i) => Math.max(most, Math.abs(value - there[i])), 0);
}

for (const fused of [true, false]) {
  const path = fused ? "fused" : "plain operations";
  deviceTest(`from the parent's centre, a scene's place says nothing: ${path}`, async () => {
    assertAlmostEquals(await change("parent", fused), 0, 1e-6);
    assertGreater(await change("plain", fused), 0.01);
  });
}
