/** For what a test waits for: far longer than it takes on a machine that starts nine suites. */
export const PATIENCE_MS = 10_000;
