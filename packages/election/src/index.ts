export * from "./instant.ts";
export * from "./ports.ts";
export * from "./promise.ts";
export * from "./record.ts";
