/** The text of a kubeconfig file, for people and clients. */

export function kubeconfigText(parts: {
  readonly url: string;
  readonly namespace: string;
  readonly ca: string;
  readonly user: string;
  readonly token: string;
}): string {
  return `apiVersion: v1
kind: Config
clusters:
  - name: fake
    cluster:
      server: ${parts.url}
      certificate-authority-data: ${Buffer.from(parts.ca).toString("base64")}
users:
  - name: ${parts.user}
    user:
      token: ${parts.token}
contexts:
  - name: fake
    context:
      cluster: fake
      user: ${parts.user}
      namespace: ${parts.namespace}
current-context: fake
`;
}
