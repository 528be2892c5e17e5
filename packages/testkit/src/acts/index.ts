export * from "./act.ts";
export * from "./run-act.ts";
