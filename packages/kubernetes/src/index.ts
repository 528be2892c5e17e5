export type { ClusterAccess, TokenSource } from "./api/access.ts";
export { inClusterAccess, kubeconfigAccess, parseKubeconfig } from "./api/access.ts";
export type { ApiAnswer } from "./api/answer.ts";
export type { ApiCall, ApiClient } from "./api/client.ts";
export { createApiClient } from "./api/client.ts";
export type { LeaseStoreOptions } from "./lease-store.ts";
export { createLeaseStore } from "./lease-store.ts";
export * from "./names.ts";
