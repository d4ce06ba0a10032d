/**
 * The other side of `watched`: is told which trials, then their numbers, and answers with what came
 * of each.
 */

import { traced } from "./campaign.ts";
import { checkpointTrials } from "./checkpoints.ts";
import { argumentTrials } from "./command_lines.ts";
import { configTrials } from "./configs.ts";
import type { Begin, Trial, TrialMaker, WatchedTrials } from "./watched.ts";

const MAKERS: Readonly<Record<WatchedTrials, TrialMaker>> = {
  checkpoints: checkpointTrials,
  configs: configTrials,
  arguments: argumentTrials,
};

const scope = globalThis as unknown as {
  onmessage: (event: MessageEvent<Begin | number>) => void;
  postMessage: (message: unknown) => void;
};

let trial: Trial | undefined;

scope.onmessage = async ({ data }) => {
  if (typeof data === "object") {
    trial = await MAKERS[data.trials](data.seed, data.folder);
    scope.postMessage({ came: "ready" });
    return;
  }
  try {
    scope.postMessage(await trial!(data));
  } catch (error) {
    scope.postMessage({ came: "broke", wrong: traced(error) });
  }
};
