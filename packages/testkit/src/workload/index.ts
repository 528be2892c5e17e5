export * from "./ledger.ts";
export * from "./load.ts";
export { startLoadThread, type LoadThread, type RemoteLoad } from "./load-thread.ts";
export * from "./observer.ts";
export { connect, type Address, type Session } from "./session.ts";
export * from "./workload.ts";
export * from "./writable.ts";
export * from "./write-gap.ts";
export * from "./writer.ts";
