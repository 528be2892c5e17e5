export * from "./ledger.ts";
export * from "./observer.ts";
export { connect, type Address, type Session } from "./session.ts";
export * from "./workload.ts";
export * from "./writable.ts";
export * from "./write-gap.ts";
export * from "./writer.ts";
