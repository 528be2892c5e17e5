/**
 * Brings the oldest and the newest Node that the client is tested with, into
 * tools/consumers/node_modules; for Linux on x64 and arm64, elsewhere those tests are skipped.
 */
import { installTools } from "./install-tools.mjs";

/** @type {import("./step.mjs").SetupStep} */
export async function provideConsumers(context) {
  await installTools("tools/consumers", "the client's oldest and newest Node", context);
  return { environment: context.environment, version: "consumers" };
}
