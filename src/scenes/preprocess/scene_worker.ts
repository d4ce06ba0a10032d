/** The worker that makes scenes. */

import { serveRequests } from "../../base/worker_pool.ts";
import {
  makeScene,
  type SceneFailure,
  type SceneOutcome,
  type SceneRequest,
} from "./make_scene.ts";
import type { SceneSettings } from "./settings.ts";

serveRequests<SceneSettings, SceneRequest, SceneOutcome | SceneFailure>(
  (settings) => async (request) => ({ result: await makeScene(request, settings) }),
);
