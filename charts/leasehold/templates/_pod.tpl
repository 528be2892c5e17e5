{{- define "leasehold.affinity" -}}
{{- $term := dict "topologyKey" "kubernetes.io/hostname" "labelSelector" (dict "matchLabels" (include "leasehold.selectorLabels" . | fromYaml)) -}}
{{- if .Values.affinity -}}
{{- toYaml .Values.affinity -}}
{{- else if eq .Values.podAntiAffinityPreset "soft" -}}
podAntiAffinity:
  preferredDuringSchedulingIgnoredDuringExecution:
    - weight: 100
      podAffinityTerm:
        {{- toYaml $term | nindent 8 }}
{{- else if eq .Values.podAntiAffinityPreset "hard" -}}
podAntiAffinity:
  requiredDuringSchedulingIgnoredDuringExecution:
    - {{- toYaml $term | nindent 6 }}
{{- end -}}
{{- end -}}

{{- define "leasehold.topologySpread" -}}
{{- if .Values.topologySpreadConstraints -}}
{{- toYaml .Values.topologySpreadConstraints -}}
{{- else -}}
{{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
- topologyKey: {{ . }}
  maxSkew: 1
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels:
      {{- include "leasehold.selectorLabels" $ | nindent 6 }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* A probe of the sidecar's public port: (dict "path" "" "period" n "failures" n). */}}
{{- define "leasehold.probe" -}}
httpGet:
  path: {{ .path }}
  port: 8008
periodSeconds: {{ .period }}
timeoutSeconds: {{ default 1 .timeout }}
failureThreshold: {{ .failures }}
{{- end -}}

{{- define "leasehold.fieldEnv" -}}
- name: {{ .name }}
  valueFrom:
    fieldRef:
      fieldPath: {{ .path }}
{{- end -}}

{{/* A native sidecar: Redis starts after its startup probe, and it is ended after Redis. */}}
{{- define "leasehold.sidecarContainer" -}}
{{- $ports := include "leasehold.ports" . | fromYaml -}}
name: leasehold
image: {{ include "leasehold.sidecarImage" . }}
imagePullPolicy: {{ .Values.sidecar.image.pullPolicy }}
restartPolicy: Always
securityContext:
  {{- toYaml .Values.containerSecurityContext | nindent 2 }}
env:
  - name: LEASEHOLD_CONFIG
    value: /etc/leasehold/config/sidecar.json
  {{- include "leasehold.fieldEnv" (dict "name" "LEASEHOLD_MEMBER_NAME" "path" "metadata.name") | nindent 2 }}
  {{- include "leasehold.fieldEnv" (dict "name" "LEASEHOLD_MEMBER_POD_UID" "path" "metadata.uid") | nindent 2 }}
  {{- include "leasehold.fieldEnv" (dict "name" "LEASEHOLD_MEMBER_HOST" "path" "status.podIP") | nindent 2 }}
  {{- include "leasehold.fieldEnv" (dict "name" "LEASEHOLD_MEMBER_HOSTS" "path" "status.podIPs") | nindent 2 }}
  {{- include "leasehold.fieldEnv" (dict "name" "LEASEHOLD_MEMBER_NODE_NAME" "path" "spec.nodeName") | nindent 2 }}
  {{- include "leasehold.fieldEnv" (dict "name" "LEASEHOLD_MEMBER_REVISION" "path" "metadata.labels['controller-revision-hash']") | nindent 2 }}
ports:
  - name: http
    containerPort: {{ $ports.http }}
  - name: peers
    containerPort: {{ $ports.peers }}
  {{- with $ports.sentinel }}
  - name: sentinel
    containerPort: {{ . }}
  {{- end }}
startupProbe:
  {{- include "leasehold.probe" (dict "path" "/probe/started" "period" 1 "failures" 60) | nindent 2 }}
livenessProbe:
  {{- include "leasehold.probe" (dict "path" "/probe/live" "period" 5 "failures" 3) | nindent 2 }}
resources:
  {{- toYaml .Values.sidecar.resources | nindent 2 }}
volumeMounts:
  - {name: config, mountPath: /etc/leasehold/config, readOnly: true}
  - {name: secret, mountPath: /etc/leasehold/secret, readOnly: true}
  {{- if and .Values.auth.enabled .Values.auth.acl.users }}
  - {name: users, mountPath: /etc/leasehold/users, readOnly: true}
  {{- end }}
  {{- if .Values.tls.enabled }}
  - {name: tls, mountPath: /etc/leasehold/tls, readOnly: true}
  {{- end }}
  {{- if (include "leasehold.source" . | fromYaml).existingSecret }}
  - {name: source, mountPath: /etc/leasehold/source, readOnly: true}
  {{- end }}
  {{- if (include "leasehold.source" . | fromYaml).tls.existingSecret }}
  - {name: source-tls, mountPath: /etc/leasehold/source-tls, readOnly: true}
  {{- end }}
  - {name: api-token, mountPath: /var/run/secrets/kubernetes.io/serviceaccount, readOnly: true}
  - {name: run, mountPath: /run/leasehold}
  - {name: data, mountPath: /data}
  {{- if and .Values.metrics.exporter.enabled .Values.auth.enabled }}
  - {name: exporter, mountPath: /run/leasehold-exporter}
  {{- end }}
{{- end -}}

{{/* Beside Redis, of which it may read counts and no key. No probes: whether Redis is ready does not
     depend on it. CONFIG is none of its commands, for CONFIG GET tells a password. */}}
{{- define "leasehold.exporterContainer" -}}
{{- $exporter := .Values.metrics.exporter -}}
{{- $ports := include "leasehold.ports" . | fromYaml -}}
{{- $showsCertificate := and .Values.tls.enabled (ne .Values.tls.authClients "no") -}}
name: redis-exporter
image: {{ include "leasehold.image" (dict "root" . "image" $exporter.image "repository" $exporter.image.repository "tag" $exporter.image.tag) }}
imagePullPolicy: {{ $exporter.image.pullPolicy }}
securityContext:
  {{- toYaml .Values.containerSecurityContext | nindent 2 }}
env:
  - {name: REDIS_ADDR, value: "{{ .Values.tls.enabled | ternary "rediss" "redis" }}://localhost:{{ $ports.redis }}"}
  - {name: REDIS_EXPORTER_CONFIG_COMMAND, value: "-"}
  {{- if .Values.auth.enabled }}
  - {name: REDIS_USER, value: leasehold-exporter}
  - {name: REDIS_PASSWORD_FILE, value: /run/leasehold-exporter/passwords.json}
  {{- end }}
  {{- if .Values.tls.enabled }}
  # It does not leave the pod, and no certificate needs the name localhost for it.
  - {name: REDIS_EXPORTER_SKIP_TLS_VERIFICATION, value: "true"}
  {{- end }}
  {{- if $showsCertificate }}
  - {name: REDIS_EXPORTER_TLS_CLIENT_CERT_FILE, value: /etc/leasehold/tls/tls.crt}
  - {name: REDIS_EXPORTER_TLS_CLIENT_KEY_FILE, value: /etc/leasehold/tls/tls.key}
  {{- end }}
ports:
  - name: exporter
    containerPort: {{ $ports.exporter }}
resources:
  {{- toYaml $exporter.resources | nindent 2 }}
{{- if or .Values.auth.enabled $showsCertificate }}
volumeMounts:
  {{- if .Values.auth.enabled }}
  - {name: exporter, mountPath: /run/leasehold-exporter, readOnly: true}
  {{- end }}
  {{- if $showsCertificate }}
  - {name: tls, mountPath: /etc/leasehold/tls, readOnly: true}
  {{- end }}
{{- end }}
{{- end -}}

{{- define "leasehold.redisContainer" -}}
name: redis
image: {{ include "leasehold.engineImage" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
command: [sh, /opt/leasehold/redis.sh]
securityContext:
  {{- toYaml .Values.containerSecurityContext | nindent 2 }}
ports:
  - name: redis
    containerPort: {{ (include "leasehold.ports" . | fromYaml).redis }}
  {{- with .Values.tls.plaintextPort }}
  - name: redis-plain
    containerPort: {{ . }}
  {{- end }}
# No liveness probe: the sidecar judges a silent Redis by its role and by the data at stake.
startupProbe:
  {{- include "leasehold.probe" (dict "path" "/probe/redis-started" "period" 2 "failures" 900) | nindent 2 }}
readinessProbe:
  {{- include "leasehold.probe" (dict "path" "/probe/ready" "period" 2 "failures" 2) | nindent 2 }}
lifecycle:
  preStop:
    exec:
      command: [sh, /opt/leasehold/prestop.sh, {{ sub .Values.terminationGracePeriodSeconds 25 | quote }}]
{{- with .Values.resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
volumeMounts:
  - {name: scripts, mountPath: /opt/leasehold, readOnly: true}
  - {name: run, mountPath: /run/leasehold}
  - {name: data, mountPath: /data}
  {{- with .Values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{- define "leasehold.tlsVolume" -}}
secret:
  secretName: {{ include "leasehold.tlsSecretName" . }}
  defaultMode: 0440
  items:
    - {key: {{ .Values.tls.certFilename }}, path: tls.crt}
    - {key: {{ .Values.tls.certKeyFilename }}, path: tls.key}
    - {key: {{ .Values.tls.certCAFilename }}, path: ca.crt}
{{- end -}}

{{- define "leasehold.volumes" -}}
{{- $auth := .Values.auth -}}
- name: config
  configMap:
    name: {{ include "leasehold.fullname" . }}
- name: scripts
  configMap:
    name: {{ include "leasehold.fullname" . }}-scripts
    defaultMode: 0555
- name: secret
  projected:
    defaultMode: 0440
    sources:
      {{- if $auth.enabled }}
      - secret:
          name: {{ include "leasehold.secretName" . }}
          items:
            - {key: {{ $auth.existingSecretPasswordKey }}, path: redis-password}
      {{- end }}
      - secret:
          name: {{ include "leasehold.secretName" . }}
          # Without it the sidecar derives the internal key from the password.
          optional: {{ $auth.enabled }}
          items:
            - {key: {{ $auth.existingSecretInternalKey }}, path: leasehold-key}
{{- if and $auth.enabled $auth.acl.users }}
- name: users
  secret:
    secretName: {{ default $auth.existingSecret $auth.acl.existingSecret }}
    defaultMode: 0440
    items:
      {{- range $auth.acl.users }}
      - {key: {{ .passwordKey }}, path: {{ .passwordKey }}}
      {{- end }}
{{- end }}
{{- if .Values.tls.enabled }}
- name: tls
  {{- include "leasehold.tlsVolume" . | nindent 2 }}
{{- end }}
{{- with include "leasehold.source" . | fromYaml }}
{{- if .existingSecret }}
- name: source
  secret:
    secretName: {{ .existingSecret }}
    # Deleted after the cutover, it keeps no pod from its start.
    optional: true
    defaultMode: 0440
    items:
      - {key: {{ .existingSecretPasswordKey }}, path: password}
{{- end }}
{{- if .tls.existingSecret }}
- name: source-tls
  secret:
    secretName: {{ .tls.existingSecret }}
    optional: true
    defaultMode: 0440
{{- end }}
{{- end }}
# For the sidecar alone: whoever breaks into Redis reaches no API.
- name: api-token
  projected:
    defaultMode: 0440
    sources:
      - serviceAccountToken: {path: token, expirationSeconds: 3607}
      - configMap: {name: kube-root-ca.crt, items: [{key: ca.crt, path: ca.crt}]}
      - downwardAPI: {items: [{path: namespace, fieldRef: {fieldPath: metadata.namespace}}]}
- name: run
  emptyDir:
    medium: Memory
    sizeLimit: 4Mi
{{- if and .Values.metrics.exporter.enabled $auth.enabled }}
- name: exporter
  emptyDir:
    medium: Memory
    sizeLimit: 1Mi
{{- end }}
{{- if not .Values.persistence.enabled }}
- name: data
  emptyDir: {}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}
