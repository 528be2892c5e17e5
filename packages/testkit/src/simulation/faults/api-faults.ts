/** What goes wrong with the API server, the way to it, and its watches. */
import { API_ADDRESS, type ApiFault } from "../api/server.ts";
import type { Fault } from "./fault.ts";
import { pickPod } from "./fault.ts";

const AFTERMATH_MS = 6_000;

function outageOfAll(name: string, mode: ApiFault, lengthMs: readonly [number, number]): Fault {
  return {
    name,
    lengthMs,
    aftermathMs: AFTERMATH_MS,
    begin: (world) => {
      world.api.setFault(API_ADDRESS, mode);
      return {
        who: ["api"],
        words: `API for everybody: ${mode}`,
        end: () => world.api.setFault(API_ADDRESS, null),
      };
    },
  };
}

function outageOfOne(name: string, mode: ApiFault, lengthMs: readonly [number, number]): Fault {
  return {
    name,
    lengthMs,
    aftermathMs: AFTERMATH_MS,
    begin: (world, random) => {
      const pod = pickPod(world, random);
      if (pod === null) return null;
      const { address } = pod.machine;
      world.api.setFault(address, mode);
      return {
        who: ["api", pod.name],
        words: `API for ${pod.label}: ${mode}`,
        end: () => world.api.setFault(address, null),
      };
    },
  };
}

function watchesSilent(): Fault {
  return {
    name: "watch-silent",
    lengthMs: [2_000, 20_000],
    aftermathMs: 5_000,
    begin: (world, random) => {
      const pod = pickPod(world, random);
      if (pod === null) return null;
      const watches = world.api.watchesOf(pod.machine.address);
      for (const watch of watches) watch.isSilent = true;
      return {
        who: ["api"],
        words: `watches of ${pod.label} fall silent`,
        end: () => {
          for (const watch of watches) {
            watch.isSilent = false;
            watch.isBroken = true;
          }
        },
      };
    },
  };
}

function watchesLate(): Fault {
  return {
    name: "watch-late",
    lengthMs: [3_000, 20_000],
    aftermathMs: 5_000,
    begin: (world, random) => {
      world.api.watchDelayMs = random.between(100, 4_000);
      world.api.watchDuplicates = 0.3;
      return {
        who: ["api"],
        words: `watches come up to ${world.api.watchDelayMs.toFixed(0)} ms late, some twice`,
        end: () => {
          world.api.watchDelayMs = 0;
          world.api.watchDuplicates = 0;
        },
      };
    },
  };
}

export const API_FAULTS: readonly Fault[] = [
  outageOfAll("api-hangs", "hang", [500, 25_000]),
  outageOfAll("api-refuses", "refuse", [500, 20_000]),
  outageOfAll("api-errors", "error", [500, 15_000]),
  outageOfAll("api-throttles", "throttle", [300, 8_000]),
  outageOfAll("api-slow", "slow", [2_000, 20_000]),
  outageOfAll("api-lossy", "lossy", [2_000, 20_000]),
  outageOfOne("api-hangs-for-one", "hang", [500, 20_000]),
  outageOfOne("api-lossy-for-one", "lossy", [2_000, 20_000]),
  outageOfOne("api-slow-for-one", "slow", [2_000, 20_000]),
  watchesSilent(),
  watchesLate(),
];
