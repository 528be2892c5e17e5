export * from "./action.ts";
export * from "./event.ts";
export * from "./observation.ts";
export * from "./ports.ts";
export * from "./reason.ts";
export * from "./config.ts";
export * from "./decide.ts";
