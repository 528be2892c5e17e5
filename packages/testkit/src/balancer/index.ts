export * from "./balancer.ts";
export * from "./thread.ts";
