export type { KubernetesApiUnderTest } from "./kubernetes-api.ts";
export { describeKubernetesApi } from "./kubernetes-api.ts";
