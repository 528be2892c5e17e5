{{/* Ports inside the pods. Services may offer others. */}}
{{- define "leasehold.ports" -}}
redis: 6379
http: 8008
peers: 8009
{{- if .Values.metrics.exporter.enabled }}
exporter: 9121
{{- end }}
{{- if .Values.sentinelCompat.enabled }}
sentinel: {{ .Values.sentinelCompat.port }}
{{- end }}
{{- end -}}

{{/* "true" where the sidecars label their pods; else empty. */}}
{{- define "leasehold.labelsRoles" -}}
{{- if or .Values.roleLabels.enabled (eq .Values.service.read.scope "replicas") -}}true{{- end -}}
{{- end -}}

{{/* A Kubernetes quantity in bytes; empty if it is none. Helm reads plain numbers as floats. */}}
{{- define "leasehold.bytes" -}}
{{- $quantity := kindIs "string" . | ternary . (toJson .) -}}
{{- $units := dict "" 1 "k" 1000 "M" 1000000 "G" 1000000000 "T" 1000000000000 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 -}}
{{- if regexMatch "^[0-9]+(\\.[0-9]+)?(k|M|G|T|Ki|Mi|Gi|Ti)?$" $quantity -}}
{{- $number := regexFind "^[0-9.]+" $quantity -}}
{{- mulf (float64 $number) (get $units (trimPrefix $number $quantity)) | floor | int64 -}}
{{- end -}}
{{- end -}}

{{/* A value of redis.conf: Helm prints large numbers as 1.6e+07 by itself. */}}
{{- define "leasehold.directiveValue" -}}
{{- if kindIs "bool" . }}{{ ternary "yes" "no" . }}{{ else if kindIs "string" . }}{{ . }}{{ else }}{{ toJson . }}{{ end -}}
{{- end -}}

{{/* Lines of `config` as a JSON list: (dict "root" $ "only" ""), where `only` is a pattern of names. */}}
{{- define "leasehold.configLines" -}}
{{- $lines := list -}}
{{- range $directive, $value := .root.Values.config -}}
{{- if regexMatch $.only (lower $directive) -}}
{{- range kindIs "slice" $value | ternary $value (list $value) -}}
{{- $lines = append $lines (printf "%s %s" $directive (include "leasehold.directiveValue" .)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $lines -}}
{{- end -}}

{{/* Lines of `commonConfiguration` as a JSON list. */}}
{{- define "leasehold.rawLines" -}}
{{- $lines := list -}}
{{- range splitList "\n" .Values.commonConfiguration -}}
{{- $line := trim . -}}
{{- if and $line (not (hasPrefix "#" $line)) -}}{{- $lines = append $lines $line -}}{{- end -}}
{{- end -}}
{{- toJson $lines -}}
{{- end -}}

{{/* The user's lines of redis.conf as a JSON list. */}}
{{- define "leasehold.redisLines" -}}
{{- $memory := list -}}
{{- $limit := dig "limits" "memory" "" .Values.resources -}}
{{- if and (not (hasKey .Values.config "maxmemory")) $limit .Values.maxMemoryPercent -}}
{{- $bytes := include "leasehold.bytes" $limit | int64 -}}
{{- $memory = list (printf "maxmemory %d" (div (mul $bytes .Values.maxMemoryPercent) 100)) -}}
{{- end -}}
{{- $config := include "leasehold.configLines" (dict "root" . "only" "") | fromJsonArray -}}
{{- concat $memory $config (include "leasehold.rawLines" . | fromJsonArray) | default list | toJson -}}
{{- end -}}

{{/* What Redis reads at its start alone. All else the sidecar sets while it runs. */}}
{{- define "leasehold.startDirectives" -}}
always-show-logo|(aof[-_]rewrite|bgsave|bio|server)[-_]cpulist|appenddirname|appendfilename|cluster-config-file|cluster-port|databases|disable-thp|enable-debug-command|enable-module-command|enable-protected-configs|ignore-warnings|io-threads|io-threads-do-reads|loadmodule|logfile|rdbchecksum|set-proc-title|socket-mark-id|syslog-enabled|syslog-facility|syslog-ident|tcp-backlog
{{- end -}}

{{/* What restarts the pods when it changes: all of the configuration but what Redis can be told. */}}
{{- define "leasehold.restartConfig" -}}
{{- $config := include "leasehold.sidecarConfig" . | fromJson -}}
{{- $start := printf "^(%s)$" (include "leasehold.startDirectives" .) -}}
{{- $lines := concat (include "leasehold.configLines" (dict "root" . "only" $start) | fromJsonArray) (include "leasehold.rawLines" . | fromJsonArray) | default list -}}
{{- $_ := set $config.redis "configuration" $lines -}}
{{- toJson $config -}}
{{- end -}}

{{/* The durations of a Lease that is not the profile's: its renewal keeps the profile's share. */}}
{{- define "leasehold.leaseSettings" -}}
{{- with .Values.election.leaseDurationSeconds -}}
{{- $durationMs := mul . 1000 -}}
leaseDurationMs: {{ $durationMs }}
renewIntervalMs: {{ div $durationMs (eq $.Values.election.profile "fast" | ternary 5 3) }}
{{- end -}}
{{- end -}}

{{- define "leasehold.priorityLines" -}}
{{- $lines := list -}}
{{- range $member, $priority := .Values.election.priorities -}}
{{- $lines = append $lines (printf "%s %d" $member (int $priority)) -}}
{{- end -}}
{{- toJson $lines -}}
{{- end -}}

{{- define "leasehold.authSettings" -}}
{{- $auth := .Values.auth -}}
{{- $users := list -}}
{{- range $auth.acl.users -}}
{{- $users = append $users (printf "%s /etc/leasehold/users/%s %s" .name .passwordKey .rules) -}}
{{- end -}}
{{- $settings := dict
  "enabled" true
  "passwordFile" "/etc/leasehold/secret/redis-password"
  "internalKeyFile" "/etc/leasehold/secret/leasehold-key"
  "defaultUserRules" $auth.defaultUserRules
  "users" $users
  "rotationOverlapMs" (mul $auth.rotation.overlapSeconds 1000) -}}
{{- if .Values.metrics.exporter.enabled -}}
{{- $_ := set $settings "exporterFile" "/run/leasehold-exporter/passwords.json" -}}
{{- end -}}
{{- toJson $settings -}}
{{- end -}}

{{/* Whom it moves in from. `--reuse-values` of an older release brings no `bootstrap` at all. */}}
{{- define "leasehold.source" -}}
{{- $none := dict "host" "" "port" 6379 "username" "" "existingSecret" "" "existingSecretPasswordKey" "redis-password" -}}
{{- $_ := set $none "tls" (dict "enabled" false "existingSecret" "" "serverName" "" "clientCertificate" false) -}}
{{- dig "bootstrap" "externalPrimary" dict .Values.AsMap | mergeOverwrite $none | toYaml -}}
{{- end -}}

{{- define "leasehold.redisSettings" -}}
port: {{ (include "leasehold.ports" . | fromYaml).redis }}
{{- if .Values.tls.enabled }}
plaintextPort: {{ .Values.tls.plaintextPort }}
tls:
  certFile: /etc/leasehold/tls/tls.crt
  keyFile: /etc/leasehold/tls/tls.key
  caFile: /etc/leasehold/tls/ca.crt
  authClients: {{ .Values.tls.authClients | quote }}
{{- end }}
configuration: {{ include "leasehold.redisLines" . }}
{{- end -}}

{{/* The sidecar's configuration as JSON, which it reads without loading a YAML parser. What differs
     between the members comes by environment variables. docs/configuration.md has the keys. */}}
{{- define "leasehold.sidecarConfig" -}}
{{- $values := .Values -}}
{{- $ports := include "leasehold.ports" . | fromYaml -}}
{{- $election := merge (include "leasehold.leaseSettings" . | fromYaml) (dict
  "profile" $values.election.profile
  "maxLagBytes" ($values.election.maxLagBytes | int64)
  "priorities" (include "leasehold.priorityLines" . | fromJsonArray)
  "failsafeEnabled" $values.election.failsafe.enabled
  "failsafeAlone" $values.election.failsafe.alone) -}}
{{- $config := dict
  "group" (include "leasehold.fullname" .)
  "namespace" .Release.Namespace
  "redis" (include "leasehold.redisSettings" . | fromYaml)
  "http" (dict "port" ($ports.http | int64))
  "peers" (dict "port" ($ports.peers | int64))
  "election" $election
  "read" (dict
    "maxStalenessMs" (mul $values.service.read.maxStalenessSeconds 1000)
    "maxLagBytes" ($values.service.read.maxLagBytes | int64))
  "durability" (dict
    "minReplicasToWrite" ($values.durability.minReplicasToWrite | int64)
    "minReplicasMaxLagSeconds" ($values.durability.minReplicasMaxLag | int64))
  "switchover" (dict
    "timeoutMs" (mul $values.switchover.timeoutSeconds 1000)
    "maxPauseMs" ($values.switchover.maxPauseMilliseconds | int64)
    "settleMs" (mul $values.switchover.settleSeconds 1000))
  "coldStart" (dict
    "waitMs" (mul $values.coldStart.waitSeconds 1000)
    "onMissing" $values.coldStart.onMissing)
  "persistence" (dict "mode" $values.persistence.mode "fsync" $values.persistence.fsync)
  "roleLabels" (dict "enabled" (eq (include "leasehold.labelsRoles" .) "true"))
  "log" $values.sidecar.log -}}
{{- with include "leasehold.source" . | fromYaml -}}
{{- if .host -}}
{{- $_ := set $config "source" (dict
  "host" .host
  "port" (.port | int64)
  "username" .username
  "passwordFile" (empty .existingSecret | ternary "" "/etc/leasehold/source/password")) -}}
{{- if .tls.enabled -}}
{{- $_ := set $config.source "tls" (dict
  "caFile" (empty .tls.existingSecret | ternary "" "/etc/leasehold/source-tls/ca.crt")
  "serverName" .tls.serverName
  "certFile" (.tls.clientCertificate | ternary "/etc/leasehold/source-tls/tls.crt" "")
  "keyFile" (.tls.clientCertificate | ternary "/etc/leasehold/source-tls/tls.key" "")) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if $values.sentinelCompat.enabled -}}
{{- $_ := set $config "sentinel" (dict
  "enabled" true
  "port" ($ports.sentinel | int64)
  "masterSet" $values.sentinelCompat.masterSet) -}}
{{- end -}}
{{- if $values.auth.enabled -}}
{{- $_ := set $config "auth" (include "leasehold.authSettings" . | fromYaml) -}}
{{- else -}}
{{- $_ := set $config.peers "keyFile" "/etc/leasehold/secret/leasehold-key" -}}
{{- end -}}
{{- toPrettyJson $config -}}
{{- end -}}
