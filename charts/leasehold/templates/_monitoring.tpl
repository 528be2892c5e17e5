{{/* The rules of files/alerts.yaml for this group. Members are selected by what every scrape of pods
     gives, namespace and pod, so that they hold for monitors that are not the chart's, too. */}}
{{- define "leasehold.alerts" -}}
{{- $values := .Values.metrics.prometheusRule -}}
{{- $name := include "leasehold.fullname" . -}}
{{- $words := dict
  "<members>" (printf "namespace=\"%s\",pod=~\"%s-[0-9]+\"" .Release.Namespace $name)
  "<replicas>" (toString .Values.replicas)
  "<lagBytes>" ($values.thresholds.lagBytes | int64 | toString)
  "<noLeaderSeconds>" ($values.thresholds.noLeaderSeconds | int64 | toString) -}}
{{- $rules := list -}}
{{- range .Files.Get "files/alerts.yaml" | fromYamlArray -}}
{{- $alert := . -}}
{{- range $field := list "expr" "for" "summary" -}}
{{- range $word, $meaning := $words -}}
{{- with get $alert $field -}}{{- $_ := set $alert $field (replace $word $meaning .) -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- $annotations := dict "summary" .summary "description" .description -}}
{{- with $values.runbookUrl -}}
{{- $_ := set $annotations "runbook_url" (printf "%s#%s" . (lower $alert.alert)) -}}
{{- end -}}
{{- $rule := dict "alert" .alert "expr" .expr "annotations" $annotations "labels" (dict
  "severity" .severity "namespace" $.Release.Namespace "group" $name) -}}
{{- with get . "for" -}}{{- $_ := set $rule "for" . -}}{{- end -}}
{{- if ge (int $.Values.replicas) (default 1 .replicas | int) -}}{{- $rules = append $rules $rule -}}{{- end -}}
{{- end -}}
{{- toYaml $rules -}}
{{- end -}}

{{/* files/dashboard.json, which begins with this group. Grafana takes an uid from one file only. */}}
{{- define "leasehold.dashboard" -}}
{{- $name := include "leasehold.fullname" . -}}
{{- $dashboard := .Files.Get "files/dashboard.json" | fromJson -}}
{{- $_ := set $dashboard "uid" (printf "leasehold-%s" (printf "%s/%s" .Release.Namespace $name | sha256sum | trunc 12)) -}}
{{- $_ := set $dashboard "title" (printf "Leasehold %s/%s" .Release.Namespace $name) -}}
{{- $first := dict "namespace" .Release.Namespace "group" $name -}}
{{- range $dashboard.templating.list -}}
{{- if hasKey $first .name -}}
{{- $_ := set . "current" (dict "text" (get $first .name) "value" (get $first .name)) -}}
{{- end -}}
{{- end -}}
{{- toPrettyJson $dashboard -}}
{{- end -}}
