{{/* What the scripts of files/tests read. */}}
{{- define "leasehold.testTarget" -}}
{{- $name := include "leasehold.fullname" . -}}
{{- $ports := include "leasehold.ports" . | fromYaml -}}
{{- $domain := printf "%s.svc.%s" .Release.Namespace .Values.clusterDomain -}}
{{- $read := dict "host" (printf "%s-read.%s" $name $domain) "port" (.Values.service.read.port | int64) -}}
{{- $members := list -}}
{{- range until (int .Values.replicas) -}}
{{- $members = append $members (dict
  "host" (printf "%s-%d.%s-headless.%s" $name . $name $domain)
  "port" ($ports.redis | int64)
  "httpPort" ($ports.http | int64)) -}}
{{- end -}}
{{- toPrettyJson (dict
  "group" $name
  "namespace" .Release.Namespace
  "patienceMs" 30000
  "write" (dict "host" (printf "%s.%s" $name $domain) "port" (.Values.service.port | int64))
  "read" (.Values.service.read.enabled | ternary $read nil)
  "members" $members
  "passwordFile" (.Values.auth.enabled | ternary "/etc/leasehold/secret/redis-password" nil)
  "tls" (.Values.tls.enabled | ternary (dict "directory" "/etc/leasehold/tls" "client" (ne .Values.tls.authClients "no")) nil)) -}}
{{- end -}}

{{/* `metadata` of a hook. Not the selector's labels: a test pod is no member. */}}
{{- define "leasehold.testMetadata" -}}
name: {{ include "leasehold.fullname" .root }}-test-{{ .test }}
namespace: {{ .root.Release.Namespace }}
labels:
  app.kubernetes.io/name: leasehold-test
  app.kubernetes.io/instance: {{ .root.Release.Name }}
  app.kubernetes.io/managed-by: {{ .root.Release.Service }}
  {{ include "leasehold.fullname" .root }}-client: "true"
annotations:
  helm.sh/hook: test
  helm.sh/hook-weight: {{ .weight | quote }}
  helm.sh/hook-delete-policy: before-hook-creation
{{- end -}}

{{- define "leasehold.testPod" -}}
{{- $root := .root -}}
{{- $withApi := eq .test "switchover" -}}
{{- $name := include "leasehold.fullname" $root -}}
apiVersion: v1
kind: Pod
metadata:
  {{- include "leasehold.testMetadata" (dict "root" $root "test" .test "weight" .weight) | nindent 2 }}
spec:
  restartPolicy: Never
  activeDeadlineSeconds: 240
  serviceAccountName: {{ $withApi | ternary (printf "%s-test" $name) (include "leasehold.serviceAccountName" $root) }}
  automountServiceAccountToken: {{ $withApi }}
  enableServiceLinks: false
  securityContext:
    {{- include "leasehold.podSecurityContext" $root | nindent 4 }}
  {{- include "leasehold.pullSecrets" $root | trim | nindent 2 }}
  containers:
    - name: {{ .test }}
      image: {{ include "leasehold.sidecarImage" $root }}
      imagePullPolicy: {{ $root.Values.sidecar.image.pullPolicy }}
      command: [node, /opt/leasehold-test/{{ .test }}.mjs]
      securityContext:
        {{- toYaml $root.Values.containerSecurityContext | nindent 8 }}
      resources:
        {{- toYaml $root.Values.sidecar.resources | nindent 8 }}
      volumeMounts:
        - {name: scripts, mountPath: /opt/leasehold-test, readOnly: true}
        {{- if $root.Values.auth.enabled }}
        - {name: secret, mountPath: /etc/leasehold/secret, readOnly: true}
        {{- end }}
        {{- if $root.Values.tls.enabled }}
        - {name: tls, mountPath: /etc/leasehold/tls, readOnly: true}
        {{- end }}
  volumes:
    - name: scripts
      configMap:
        name: {{ $name }}-test
    {{- if $root.Values.auth.enabled }}
    - name: secret
      secret:
        secretName: {{ include "leasehold.secretName" $root }}
        defaultMode: 0440
        items:
          - {key: {{ $root.Values.auth.existingSecretPasswordKey }}, path: redis-password}
    {{- end }}
    {{- if $root.Values.tls.enabled }}
    - name: tls
      {{- include "leasehold.tlsVolume" $root | nindent 6 }}
    {{- end }}
{{- end -}}
