{{/* What contradicts itself, or belongs to another chart, each as a sentence that names the value and
     says what to do. Renders nothing. The schema has refused wrong types by then. */}}
{{- define "leasehold.refusals" -}}
{{- include "leasehold.refuseForeign" . -}}
{{- include "leasehold.refuseContradictions" . -}}
{{- include "leasehold.refuseAccess" . -}}
{{- include "leasehold.refusePods" . -}}
{{- include "leasehold.refuseDirectives" . -}}
{{- end -}}

{{/* Keys of other Redis charts, and what there is instead. The schema lets them through to here. */}}
{{- define "leasehold.foreignKeys" -}}
architecture: every group replicates; `replicas` is the number of members, the primary included
authKey: use `auth.existingSecretPasswordKey`
cluster: Leasehold does not shard
dataStorage: use `persistence`
existingSecret: use `auth.existingSecret`
haproxy: the Service of the group's name is the write address, without a proxy
hardAntiAffinity: "use `podAntiAffinityPreset: hard`"
master: all members are alike; its values are at the root
redis: use `config`, `commonConfiguration` and `resources`
redisPassword: use `auth.existingSecret`
replica: all members are alike; `replicas` is replica.replicaCount + 1
replicaCount: use `replicas`, which counts the primary, too
sentinel: Leasehold elects through a Kubernetes Lease; for clients of Sentinel there is `sentinelCompat`
useHostnames: members find one another through the Kubernetes API
valkeyConfig: use `config` and `commonConfiguration`
{{- end -}}

{{- define "leasehold.refuseForeign" -}}
{{- range $key, $instead := include "leasehold.foreignKeys" . | fromYaml -}}
{{- if hasKey $.Values $key -}}
{{- fail (printf "leasehold: `%s` is a value of another chart: %s. Remove it." $key $instead) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "leasehold.refuseContradictions" -}}
{{- $values := .Values -}}
{{- $replicas := int $values.replicas -}}
{{- $profileSeconds := eq $values.election.profile "fast" | ternary 5 15 -}}
{{- $leaseSeconds := kindIs "invalid" $values.election.leaseDurationSeconds | ternary $profileSeconds $values.election.leaseDurationSeconds | int -}}
{{- if lt $leaseSeconds 5 -}}
{{- fail (printf "leasehold: election.leaseDurationSeconds (%d) must be 5 or more: the guard needs the margin, or two primaries could overlap." $leaseSeconds) -}}
{{- end -}}
{{- if gt (int $values.switchover.settleSeconds) $leaseSeconds -}}
{{- fail (printf "leasehold: switchover.settleSeconds (%d) must not exceed the Lease's duration (%d): by then there is another leader." (int $values.switchover.settleSeconds) $leaseSeconds) -}}
{{- end -}}
{{- $name := include "leasehold.fullname" . -}}
{{- $mayLead := $replicas -}}
{{- range $member, $priority := $values.election.priorities -}}
{{- if not (regexMatch (printf "^%s-[0-6]$" $name) $member) -}}
{{- fail (printf "leasehold: election.priorities names `%s`, which is no pod of this group: they are called %s-0, %s-1 and so on." $member $name $name) -}}
{{- end -}}
{{- $ordinal := trimPrefix (printf "%s-" $name) $member | int -}}
{{- if and (eq (int $priority) 0) (lt $ordinal $replicas) -}}{{- $mayLead = sub $mayLead 1 -}}{{- end -}}
{{- end -}}
{{- if eq (int $mayLead) 0 -}}
{{- fail "leasehold: election.priorities gives every member 0: nobody could ever lead." -}}
{{- end -}}
{{- $needed := int $values.durability.minReplicasToWrite -}}
{{- if ge $needed $replicas -}}
{{- fail (printf "leasehold: durability.minReplicasToWrite (%d) must be lower than replicas (%d): no write could ever be accepted while one member is away." $needed $replicas) -}}
{{- end -}}
{{- $keepsNothing := or (eq $values.persistence.mode "none") (not $values.persistence.enabled) -}}
{{- if and (eq $replicas 1) $keepsNothing (not $values.persistence.acceptDataLoss) -}}
{{- fail "leasehold: replicas=1 with persistence.mode=none or persistence.enabled=false loses all data when its pod is replaced; set `persistence.acceptDataLoss=true` to run a pure cache." -}}
{{- end -}}
{{- end -}}

{{- define "leasehold.refuseAccess" -}}
{{- $auth := .Values.auth -}}
{{- $tls := .Values.tls -}}
{{- if and $auth.password $auth.existingSecret -}}
{{- fail "leasehold: auth.password and auth.existingSecret are both set; keep one." -}}
{{- end -}}
{{- with include "leasehold.source" . | fromYaml -}}
{{- if and .host $tls.enabled -}}
{{- fail "leasehold: bootstrap.externalPrimary needs tls.enabled=false: Redis follows it over a port without TLS. Set tls.enabled after the cutover." -}}
{{- end -}}
{{- if and (not .tls.enabled) (or .tls.existingSecret .tls.serverName .tls.clientCertificate) -}}
{{- fail "leasehold: bootstrap.externalPrimary.tls.existingSecret, serverName and clientCertificate need bootstrap.externalPrimary.tls.enabled=true; set it or remove them." -}}
{{- end -}}
{{- if and .tls.enabled (not .host) -}}
{{- fail "leasehold: bootstrap.externalPrimary.tls needs bootstrap.externalPrimary.host; set it, or remove tls after the cutover." -}}
{{- end -}}
{{- if and .tls.clientCertificate (not .tls.existingSecret) -}}
{{- fail "leasehold: bootstrap.externalPrimary.tls.clientCertificate needs bootstrap.externalPrimary.tls.existingSecret, a Secret with tls.crt and tls.key." -}}
{{- end -}}
{{- if and (not .host) (or .existingSecret .username) -}}
{{- fail "leasehold: bootstrap.externalPrimary.existingSecret and username need bootstrap.externalPrimary.host; set it, or remove them after the cutover." -}}
{{- end -}}
{{- if and .username (not .existingSecret) -}}
{{- fail "leasehold: bootstrap.externalPrimary.username needs bootstrap.externalPrimary.existingSecret, a Secret with its password: passwords are never values." -}}
{{- end -}}
{{- end -}}
{{- if and (not $auth.enabled) (or $auth.password $auth.acl.users) -}}
{{- fail "leasehold: auth.password and auth.acl.users need auth.enabled=true; set it or remove them." -}}
{{- end -}}
{{- if and $auth.acl.users (not $auth.acl.existingSecret) (not $auth.existingSecret) -}}
{{- fail "leasehold: auth.acl.users need auth.acl.existingSecret, a Secret with their passwords: passwords are never values." -}}
{{- end -}}
{{- range $auth.acl.users -}}
{{- if has .name (list "default" "leasehold" "leasehold-exporter" "leasehold-replication") -}}
{{- fail (printf "leasehold: auth.acl.users[].name may not be `%s`: Leasehold has that user already; rules of `default` are auth.defaultUserRules." .name) -}}
{{- end -}}
{{- end -}}
{{- if and $tls.enabled (eq (not $tls.existingSecret) (not $tls.certManager.enabled)) -}}
{{- fail "leasehold: tls.enabled needs tls.existingSecret or tls.certManager.enabled, and only one of them." -}}
{{- end -}}
{{- if and (not $tls.enabled) (or $tls.existingSecret $tls.certManager.enabled) -}}
{{- fail "leasehold: tls.existingSecret and tls.certManager need tls.enabled=true; set it or remove them." -}}
{{- end -}}
{{- if and $tls.plaintextPort (not $tls.enabled) -}}
{{- fail "leasehold: tls.plaintextPort needs tls.enabled=true; without TLS there is only a plain port." -}}
{{- end -}}
{{- if and .Values.sentinelCompat.enabled (has (int .Values.sentinelCompat.port) (list 6379 8008 8009 9121)) -}}
{{- fail (printf "leasehold: sentinelCompat.port (%d) is taken in the pods: it must differ from 6379, 8008, 8009 and 9121." (int .Values.sentinelCompat.port)) -}}
{{- end -}}
{{- $taken := concat (include "leasehold.ports" . | fromYaml | values) (list .Values.service.port .Values.service.read.port) -}}
{{- range $taken -}}
{{- if eq (int .) (int $tls.plaintextPort) -}}
{{- fail (printf "leasehold: tls.plaintextPort (%d) is taken: it must differ from service.port, service.read.port and the ports of the pods, such as 6379, 8008 and 8009." (int .)) -}}
{{- end -}}
{{- end -}}
{{- if and $tls.certManager.enabled (not $tls.certManager.issuerRef) -}}
{{- fail "leasehold: tls.certManager.issuerRef is missing: name the issuer, such as {name: …, kind: ClusterIssuer}." -}}
{{- end -}}
{{- if and (ne .Values.service.type "LoadBalancer") (or .Values.service.loadBalancerClass .Values.service.loadBalancerSourceRanges) -}}
{{- fail "leasehold: service.loadBalancerClass and service.loadBalancerSourceRanges need service.type=LoadBalancer." -}}
{{- end -}}
{{- if and (eq .Values.service.type "ClusterIP") (or .Values.service.nodePort .Values.service.externalTrafficPolicy) -}}
{{- fail "leasehold: service.nodePort and service.externalTrafficPolicy need service.type NodePort or LoadBalancer." -}}
{{- end -}}
{{- if eq .Values.service.read.scope "replicas" -}}
{{- if and (not .Values.rbac.create) (not .Values.serviceAccount.name) -}}
{{- fail "leasehold: service.read.scope=replicas needs rbac.create=true, or serviceAccount.name of one that may patch pods." -}}
{{- end -}}
{{- if lt (int .Values.replicas) 2 -}}
{{- fail "leasehold: service.read.scope=replicas needs replicas of 2 or more: a group of one has none." -}}
{{- end -}}
{{- end -}}
{{- $name := include "leasehold.fullname" . -}}
{{- $services := list $name (printf "%s-read" $name) (printf "%s-headless" $name) -}}
{{- range .Values.service.aliases -}}
{{- if has .name $services -}}
{{- fail (printf "leasehold: the alias %s has the name of another Service of this group, which it would replace: choose another name in service.aliases." .name) -}}
{{- end -}}
{{- $services = append $services .name -}}
{{- if and (eq .target "read") (not $.Values.service.read.enabled) -}}
{{- fail (printf "leasehold: the alias %s leads to the read Service, which service.read.enabled=false takes away." .name) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "leasehold.refusePods" -}}
{{- $values := .Values -}}
{{- $grace := int $values.terminationGracePeriodSeconds -}}
{{- $timeout := int $values.switchover.timeoutSeconds -}}
{{- if lt $grace (add $timeout 30 | int) -}}
{{- fail (printf "leasehold: terminationGracePeriodSeconds (%d) must be at least switchover.timeoutSeconds + 30 (%d): a hand-over and Redis' own end must fit." $grace (add $timeout 30)) -}}
{{- end -}}
{{- if and $values.maxMemoryPercent (not (hasKey $values.config "maxmemory")) -}}
{{- $limit := dig "limits" "memory" "" $values.resources -}}
{{- if not $limit -}}
{{- fail "leasehold: maxMemoryPercent needs resources.limits.memory; set the limit or maxMemoryPercent=0." -}}
{{- end -}}
{{- if not (include "leasehold.bytes" $limit) -}}
{{- fail (printf "leasehold: resources.limits.memory (%v) is no quantity of memory, such as 512Mi." $limit) -}}
{{- end -}}
{{- end -}}
{{- if and $values.pdb.create (has (toString $values.pdb.maxUnavailable) (list "0" "0%")) -}}
{{- fail "leasehold: pdb.maxUnavailable must be 1 or more; 0 blocks every node drain for ever." -}}
{{- end -}}
{{- range $field := list "extraContainers" "extraInitContainers" -}}
{{- range get $values $field -}}
{{- range .volumeMounts -}}
{{- if eq (toString .name) "api-token" -}}
{{- fail (printf "leasehold: %s[] may not mount the volume `api-token`: the rights are the sidecar's alone." $field) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Directives that only Leasehold sets. The sidecar refuses the same ones, but only once it runs. */}}
{{- define "leasehold.reservedDirectives" -}}
replicaof|slaveof|masterauth|masteruser|requirepass|user|aclfile|port|bind|tls-.*|unixsocket.*|dir|daemonize|include|rename-command|pidfile|supervised|cluster-enabled|replica-read-only|slave-read-only|replica-announce-.*|slave-announce-.*|appendonly|appendfsync|min-replicas-.*|min-slaves-.*|repl-backlog-ttl|repl-diskless-.*|busy-reply-threshold|lua-time-limit|shutdown-timeout
{{- end -}}

{{- define "leasehold.refuseDirectives" -}}
{{- $save := eq .Values.persistence.mode "rdb" | ternary "" "|save" -}}
{{- $reserved := printf "(?i)^(%s%s)$" (include "leasehold.reservedDirectives" .) $save -}}
{{- range include "leasehold.redisLines" . | fromJsonArray -}}
{{- $directive := regexFind "^[^\\s]+" . -}}
{{- if regexMatch "[^\\w.-]" $directive -}}
{{- fail (printf "leasehold: `%s` in config or commonConfiguration is no name of a directive: write it without quotes." $directive) -}}
{{- end -}}
{{- if regexMatch "[\\r\\n]" . -}}
{{- fail (printf "leasehold: `%s` in config has a value with a line break: write a list of values, or use commonConfiguration." $directive) -}}
{{- end -}}
{{- if regexMatch $reserved $directive -}}
{{- fail (printf "leasehold: `%s` in config or commonConfiguration is managed by Leasehold; remove it." $directive) -}}
{{- end -}}
{{- end -}}
{{- end -}}
