{{/*
Ports of one component that anything may reach, with who may: the one list its container ports, Services and
NetworkPolicy are made of. dict root, name, fact, component
*/}}
{{- define "callosum.ports" -}}
{{- $values := .root.Values -}}
{{- $root := .root -}}
{{- /* Where nothing enforces policies, ports are open all the same. */ -}}
{{- $anybody := list -}}
{{- if not $values.networkPolicy.enabled -}}{{- $anybody = list (dict "ipBlock" (dict "cidr" "0.0.0.0/0")) -}}{{- end -}}
{{- $http := list -}}
{{- if and .fact.http (ne $values.route.type "none") $values.auth.enabled -}}
{{- $http = default $anybody $values.networkPolicy.ingressController -}}
{{- end -}}
{{- $callers := list -}}
{{- /* Called by other services over gRPC, or else over HTTP; the command line in the pod needs no port that others reach. */ -}}
{{- $grpc := (.fact.grpc | default dict).variable -}}
{{- if ne .name "all-in-one" -}}
{{- range (include "callosum.callers" . | fromYamlArray) -}}
{{- $callers = append $callers (dict "podSelector" (dict "matchLabels" (include "callosum.selector" (dict "root" $root "name" .) | fromYaml))) -}}
{{- end -}}
{{- end -}}
{{- if and (not $grpc) (not $values.fhir.url) -}}{{- $http = concat $http $callers -}}{{- end -}}
{{- $askers := ternary $callers list (not (empty $grpc)) -}}
{{- if and $values.toolbox.enabled .fact.grpc -}}
{{- range (include "callosum.commandLines" . | fromYamlArray) -}}
{{- $askers = append $askers (dict "podSelector" (dict "matchLabels" (include "callosum.selector" (dict "root" $root "name" .) | fromYaml))) -}}
{{- end -}}
{{- end }}
{{- if $http }}
- { name: http, port: 8080, peers: {{ $http | toJson }} }
{{- end }}
{{- if $askers }}
- { name: grpc, port: {{ .fact.grpc.port | int }}, peers: {{ $askers | toJson }} }
{{- end }}
{{- if and $values.auth.enabled $values.monitoring.enabled .fact.schema }}
- { name: metrics, port: 9464, peers: {{ $values.networkPolicy.monitoring | toJson }} }
{{- end }}
{{- if $values.auth.enabled }}
{{- range .fact.listeners }}
{{- $listener := get ($.component.listeners | default dict) .name | default dict }}
{{- $peers := default $anybody $listener.from }}
{{- if eq .name "worker" }}
{{- range $worker, $_ := $values.workers }}
{{- $peers = append $peers (dict "podSelector" (dict "matchLabels" (include "callosum.selector" (dict "root" $root "name" (printf "worker-%s" $worker)) | fromYaml))) }}
{{- end }}
{{- end }}
{{- if $peers }}
- { name: {{ .name }}, port: {{ .port | int }}, peers: {{ $peers | toJson }} }
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Pods of the command line that ask a service: the toolbox each, the job reindex the index. dict root, name */}}
{{- define "callosum.commandLines" -}}
[toolbox{{ if eq .name "study-index" }}, reindex{{ end }}]
{{- end -}}

{{/* Where one component may connect to: list of dict name, port, peers. */}}
{{- define "callosum.egress" -}}
{{- $values := .root.Values -}}
{{- $policy := $values.networkPolicy -}}
{{- $root := .root -}}
{{- $facts := include "callosum.facts" .root | fromYaml }}
{{- if eq .kind "worker" }}
{{- $target := ternary "all-in-one" "inference-orchestrator" (eq $values.mode "allInOne") }}
- { name: worker, port: 50051, peers: [{ podSelector: { matchLabels: {{ include "callosum.selector" (dict "root" $root "name" $target) | fromYaml | toJson }} } }] }
{{- else if eq .kind "cli" }}
{{- range $name, $fact := $facts.services }}
{{- if has $.name (include "callosum.commandLines" (dict "name" $name) | fromYamlArray) }}
- { name: {{ $name }}, port: {{ $fact.grpc.port | int }}, peers: [{ podSelector: { matchLabels: {{ include "callosum.selector" (dict "root" $root "name" $name) | fromYaml | toJson }} } }] }
{{- end }}
{{- end }}
{{- else }}
{{- if and (has .kind (list "service" "migration")) (ne .name "all-in-one") }}
- { name: database, port: {{ include "callosum.databasePort" .root }}, peers: {{ include "callosum.databasePeers" .root }} }
{{- end }}
{{- if and (has .kind (list "service" "rewind")) (ne .name "all-in-one") }}
{{- range (include "callosum.brokerPorts" .root | fromYamlArray) }}
- { name: kafka, port: {{ . }}, peers: {{ include "callosum.kafkaPeers" $root }} }
{{- end }}
{{- if and (not $values.strimzi.enabled) (eq $values.kafka.sasl "oauthbearer") }}
- { name: kafka-token, port: {{ include "callosum.urlPort" $values.kafka.oauth.tokenUrl }}, peers: {{ default $policy.oidc $policy.kafkaToken | toJson }} }
{{- end }}
{{- end }}
{{- if and (eq .kind "service") (ne .name "all-in-one") }}
{{- if .fact.objectStore }}
- { name: object-store, port: {{ include "callosum.urlPort" (default "https://s3" $values.objectStore.endpoint) }}, peers: {{ $policy.objectStore | toJson }} }
{{- if not $values.objectStore.credentialsSecret }}
- { name: workload-identity, port: {{ $values.objectStore.identityPort | int }}, peers: {{ $policy.workloadIdentity | toJson }} }
{{- end }}
{{- end }}
{{- range .fact.calls }}
{{- $callee := get $facts.services . }}
{{- if and (eq . "fhir-gateway") $values.fhir.url }}
- { name: fhir, port: {{ include "callosum.urlPort" $values.fhir.url }}, peers: {{ $policy.fhir | toJson }} }
{{- else }}
- { name: {{ . }}, port: {{ if $callee.grpc.variable }}{{ $callee.grpc.port | int }}{{ else }}8080{{ end }}, peers: [{ podSelector: { matchLabels: {{ include "callosum.selector" (dict "root" $root "name" .) | fromYaml | toJson }} } }] }
{{- end }}
{{- end }}
{{- end }}
{{- if and (eq .kind "service") (has .name (list "dimse-ingest" "all-in-one")) }}
{{- range $policy.dicomNodes }}
- { name: dicom-nodes, port: {{ .port | int }}, peers: {{ .peers | toJson }} }
{{- end }}
{{- end }}
{{- if and (eq .kind "service") $values.auth.enabled }}
- { name: oidc, port: {{ include "callosum.urlPort" $values.auth.oidc.issuer }}, peers: {{ $policy.oidc | toJson }} }
{{- end }}
{{- end }}
{{- if and (has .kind (list "service" "worker")) (include "callosum.otlpEndpoint" .root) }}
{{- if $values.collector.enabled }}
- { name: otlp, port: 4318, peers: [{ podSelector: { matchLabels: {{ include "callosum.collectorSelector" $root | fromYaml | toJson }} } }] }
{{- else }}
- { name: otlp, port: {{ include "callosum.urlPort" $values.telemetry.otlpEndpoint }}, peers: {{ $policy.otlp | toJson }} }
{{- end }}
{{- end }}
{{- end -}}

{{- define "callosum.databasePeers" -}}
{{- if .Values.cloudnativepg.enabled -}}
[{ podSelector: { matchLabels: { cnpg.io/cluster: {{ .Values.cloudnativepg.clusterName }} } } }]
{{- else -}}
{{ .Values.networkPolicy.database | toJson }}
{{- end -}}
{{- end -}}

{{- define "callosum.kafkaPeers" -}}
{{- if .Values.strimzi.enabled -}}
[{ podSelector: { matchLabels: { strimzi.io/cluster: {{ .Values.strimzi.clusterName }}, strimzi.io/kind: Kafka } } }]
{{- else -}}
{{ .Values.networkPolicy.kafka | toJson }}
{{- end -}}
{{- end -}}

{{/* The policy of one component: who reaches its ports, and what it reaches. dict root, name, fact, component, kind */}}
{{- define "callosum.networkPolicy" -}}
{{- $policy := .root.Values.networkPolicy -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ include "callosum.fullname" .root }}-{{ .name }}{{ default "" .suffix }}
  labels: {{- include "callosum.labels" . | nindent 4 }}
  {{- with .annotations }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  podSelector:
    matchLabels: {{- include "callosum.selector" . | nindent 6 }}
  policyTypes: [Ingress, Egress]
  {{- with .ports }}
  ingress:
    {{- range . }}
    # {{ .name }}
    - ports: [{ port: {{ .port }}, protocol: TCP }]
      from: {{- toYaml .peers | nindent 8 }}
    {{- end }}
  {{- else }}
  ingress: []
  {{- end }}
  egress:
    # dns
    - ports: [{ port: 53, protocol: UDP }, { port: 53, protocol: TCP }]
      to: {{- toYaml $policy.dns | nindent 8 }}
    {{- range (include "callosum.egress" . | fromYamlArray) }}
    # {{ .name }}
    - ports: [{ port: {{ .port }}, protocol: TCP }]
      to: {{- toYaml .peers | nindent 8 }}
    {{- end }}
{{- end -}}
