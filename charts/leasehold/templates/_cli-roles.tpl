{{/* What `leasehold status` and `history` need. RBAC sees a pod's port as a part of its name. */}}
{{- define "leasehold.viewerRules" -}}
{{- $name := include "leasehold.fullname" . -}}
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [get, list]
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  verbs: [list]
- apiGroups: [""]
  resources: [pods]
  verbs: [list]
- apiGroups: [apps]
  resources: [statefulsets]
  verbs: [get]
  resourceNames: [{{ $name }}]
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get]
  resourceNames: [{{ $name }}-control, {{ $name }}-history]
- apiGroups: [""]
  resources: [pods/proxy]
  verbs: [get]
  resourceNames:
    {{- range until 7 }}
    - {{ printf "%s-%d:8008" $name . | quote }}
    {{- end }}
{{- end -}}

{{/* What `leasehold switchover`, `failover`, `pause`, `resume` and `cutover` need besides. */}}
{{- define "leasehold.operatorRules" -}}
{{ include "leasehold.viewerRules" . }}
- apiGroups: [""]
  resources: [configmaps]
  verbs: [patch]
  resourceNames: [{{ include "leasehold.fullname" . }}-control]
- apiGroups: [""]
  resources: [configmaps]
  verbs: [create]
{{- end -}}
