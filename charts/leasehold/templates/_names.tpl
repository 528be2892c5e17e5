{{/* The group's name. The controller appends `-<10 characters>` in a label: 63 - 11. */}}
{{- define "leasehold.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Frozen for ever: a StatefulSet's selector cannot be changed. */}}
{{- define "leasehold.selectorLabels" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* By which the sidecars find their pods, and people what outlives an uninstall. */}}
{{- define "leasehold.groupLabel" -}}
leasehold.dev/group: {{ include "leasehold.fullname" . }}
{{- end -}}

{{/* `metadata` of an object: (dict "root" $ "name" "" "labels" dict "annotations" dict). */}}
{{- define "leasehold.metadata" -}}
{{- $root := .root -}}
{{- $own := dict
  "helm.sh/chart" (printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-")
  "app.kubernetes.io/version" ($root.Chart.AppVersion | replace "+" "_" | quote | trimAll "\"")
  "app.kubernetes.io/managed-by" $root.Release.Service -}}
{{- $fixed := merge (include "leasehold.selectorLabels" $root | fromYaml) (include "leasehold.groupLabel" $root | fromYaml) -}}
name: {{ .name }}
namespace: {{ $root.Release.Namespace }}
labels:
  {{- merge $fixed $own (default dict .labels) $root.Values.commonLabels | toYaml | nindent 2 }}
{{- with merge (dict) (default dict .annotations) $root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "leasehold.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "leasehold.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* (dict "root" $ "image" .Values.image "repository" "" "tag" ""): the last two are defaults. */}}
{{- define "leasehold.image" -}}
{{- $registry := default .image.registry .root.Values.global.imageRegistry -}}
{{- $repository := default .repository .image.repository -}}
{{- with $registry }}{{ . }}/{{ end -}}
{{- $repository -}}
{{- if .image.digest }}@{{ .image.digest }}{{ else }}:{{ default .tag .image.tag }}{{ end -}}
{{- end -}}

{{- define "leasehold.engineImage" -}}
{{- $default := get (dict
  "redis" (dict "repository" "redis" "tag" "8.0")
  "valkey" (dict "repository" "valkey/valkey" "tag" "8.1")) .Values.engine -}}
{{- include "leasehold.image" (merge (dict "root" . "image" .Values.image) $default) -}}
{{- end -}}

{{- define "leasehold.sidecarImage" -}}
{{- $image := .Values.sidecar.image -}}
{{- include "leasehold.image" (dict "root" . "image" $image "repository" $image.repository "tag" .Chart.AppVersion) -}}
{{- end -}}

{{- define "leasehold.pullSecrets" -}}
{{- with concat .Values.global.imagePullSecrets .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ kindIs "map" . | ternary (get (kindIs "map" . | ternary . dict) "name") . }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* "true" on OpenShift, which gives user and group itself; else empty. */}}
{{- define "leasehold.onOpenshift" -}}
{{- $wanted := toString .Values.openshift.enabled -}}
{{- if or (eq $wanted "true") (and (eq $wanted "auto") (.Capabilities.APIVersions.Has "security.openshift.io/v1")) -}}
true
{{- end -}}
{{- end -}}

{{- define "leasehold.podSecurityContext" -}}
{{- if include "leasehold.onOpenshift" . -}}
{{- omit .Values.podSecurityContext "runAsUser" "runAsGroup" "fsGroup" | toYaml -}}
{{- else -}}
{{- toYaml .Values.podSecurityContext -}}
{{- end -}}
{{- end -}}

{{- define "leasehold.secretName" -}}
{{- default (include "leasehold.fullname" .) .Values.auth.existingSecret -}}
{{- end -}}

{{- define "leasehold.tlsSecretName" -}}
{{- default (printf "%s-tls" (include "leasehold.fullname" .)) .Values.tls.existingSecret -}}
{{- end -}}

{{/* Every DNS name of a Service as a client may write it: (dict "root" $ "name" ""). */}}
{{- define "leasehold.dnsNames" -}}
{{- $namespaced := printf "%s.%s" .name .root.Release.Namespace -}}
{{- list .name $namespaced (printf "%s.svc" $namespaced) (printf "%s.svc.%s" $namespaced .root.Values.clusterDomain) | toYaml -}}
{{- end -}}
