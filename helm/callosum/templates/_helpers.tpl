{{- define "callosum.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains (default .Chart.Name .Values.nameOverride) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (default .Chart.Name .Values.nameOverride) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Labels of everything this release makes. */}}
{{- define "callosum.releaseLabels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end -}}

{{/* What selects pods of this release, and only pods: operators hand labels of their resources on to their pods. */}}
{{- define "callosum.podsOfRelease" -}}
app.kubernetes.io/part-of: callosum
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* dict root, name */}}
{{- define "callosum.selector" -}}
{{ include "callosum.podsOfRelease" .root }}
app.kubernetes.io/component: {{ .name }}
{{- end -}}

{{- define "callosum.labels" -}}
{{ include "callosum.releaseLabels" .root }}
{{ include "callosum.selector" . }}
{{- end -}}

{{- define "callosum.image" -}}
{{- $image := .Values.image -}}
{{- if $image.digest -}}
{{ $image.repository }}@{{ $image.digest }}
{{- else -}}
{{ $image.repository }}:{{ default .Chart.AppVersion $image.tag }}
{{- end -}}
{{- end -}}

{{- define "callosum.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
seccompProfile: { type: RuntimeDefault }
{{- end -}}

{{- define "callosum.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
privileged: false
capabilities: { drop: [ALL] }
{{- end -}}

{{/* An optional part: on only where the site says so and its CRDs are there. dict root, on, api, part */}}
{{- define "callosum.part" -}}
{{- if .on -}}
{{- if not (or .root.Values.skipCrdCheck (.root.Capabilities.APIVersions.Has .api)) -}}
{{- fail (printf "%s is on, but this cluster does not know %s: install the operator first, or pass --api-versions %s (helm template) or skipCrdCheck=true" .part .api .api) -}}
{{- end -}}
on
{{- end -}}
{{- end -}}

{{/* The port of a URL: "https://host:8443/x" is 8443, "https://host" 443, "http://host" 80. */}}
{{- define "callosum.urlPort" -}}
{{- $url := urlParse . -}}
{{- if contains ":" $url.host -}}{{ regexFind "[0-9]+$" $url.host }}{{- else if eq $url.scheme "https" -}}443{{- else -}}80{{- end -}}
{{- end -}}

{{- define "callosum.facts" -}}
{{ .Files.Get "files/facts.yaml" }}
{{- end -}}

{{/* Names of the services that call `name`, as YAML. dict root, name */}}
{{- define "callosum.callers" -}}
{{- $facts := include "callosum.facts" .root | fromYaml -}}
{{- range $caller, $fact := $facts.services }}
{{- if has $.name $fact.calls }}
- {{ $caller }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "callosum.otlpEndpoint" -}}
{{- if .Values.collector.enabled -}}
{{ printf "http://%s-otel-collector:4318" (include "callosum.fullname" .) }}
{{- else -}}
{{ .Values.telemetry.otlpEndpoint }}
{{- end -}}
{{- end -}}

{{- define "callosum.databaseHost" -}}
{{- if .Values.cloudnativepg.enabled -}}{{ .Values.cloudnativepg.clusterName }}-rw{{- else -}}{{ .Values.database.host }}{{- end -}}
{{- end -}}

{{- define "callosum.databasePort" -}}
{{- if .Values.cloudnativepg.enabled -}}5432{{- else -}}{{ .Values.database.port }}{{- end -}}
{{- end -}}

{{/* Secret whose ca.crt certifies the database's server; CloudNativePG makes its Cluster's. */}}
{{- define "callosum.databaseCa" -}}
{{- if .Values.cloudnativepg.enabled -}}{{ .Values.cloudnativepg.clusterName }}-ca{{- else if ne .Values.database.tls "off" -}}{{ .Values.database.caSecret }}{{- end -}}
{{- end -}}

{{/* The authority alone: CloudNativePG keeps its key in the same Secret. dict root, name */}}
{{- define "callosum.databaseVolumes" -}}
{{- if ne .name "all-in-one" }}
{{- with include "callosum.databaseCa" .root }}
- { name: database-ca, secret: {{ . }}, path: /etc/callosum/database-ca, items: [{ key: ca.crt, path: ca.crt }] }
{{- end }}
{{- end }}
{{- end -}}

{{- define "callosum.brokers" -}}
{{- if .Values.strimzi.enabled -}}{{ .Values.strimzi.clusterName }}-kafka-bootstrap:9093{{- else -}}{{ join "," .Values.kafka.brokers }}{{- end -}}
{{- end -}}

{{/* Every port a broker may be on, as YAML: the first broker tells of the others. */}}
{{- define "callosum.brokerPorts" -}}
{{- $ports := list -}}
{{- range splitList "," (include "callosum.brokers" .) -}}{{- $ports = append $ports (regexFind "[0-9]+$" . | int) -}}{{- end -}}
{{ uniq $ports | toJson }}
{{- end -}}

{{/* Pods the OpenTelemetry operator makes for our collector. */}}
{{- define "callosum.collectorSelector" -}}
app.kubernetes.io/component: opentelemetry-collector
app.kubernetes.io/instance: {{ .Release.Namespace }}.{{ include "callosum.fullname" . }}-otel
{{- end -}}

{{/* Connections all services may open: a pool each with the probe's one, another and the sweeper's one where the service may store; 20 for people and the operator. */}}
{{- define "callosum.connectionsMax" -}}
{{- $root := . -}}
{{- $pool := .Values.database.poolMax | int -}}
{{- $sum := 20 -}}
{{- range $name, $fact := (include "callosum.facts" . | fromYaml).services -}}
{{- $component := mustMergeOverwrite (deepCopy $root.Values.defaults) (deepCopy (default dict (index $root.Values.components $name))) -}}
{{- $most := ternary $component.autoscaling.maxReplicas $component.replicas (ne $component.autoscaling.type "none") | int -}}
{{- $each := ternary (add (mul 2 $pool) 2) (add $pool 1) (default false $fact.objectStore) -}}
{{- $sum = add $sum (mul (add $most 1) $each) -}}
{{- end -}}
{{- $sum -}}
{{- end -}}
