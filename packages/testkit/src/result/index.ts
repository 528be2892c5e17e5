export * from "./bounds.ts";
export * from "./result.ts";
export * from "./table.ts";
