{{/* Settings of one service (docs/reference/settings.md). dict root, name, fact, component */}}
{{- define "callosum.env" -}}
{{- $values := .root.Values -}}
{{- $full := include "callosum.fullname" .root -}}
{{- $bind := include "callosum.bindHost" .root }}
- { name: CALLOSUM_SITE, value: {{ $values.site | quote }} }
- { name: CALLOSUM_LOG_LEVEL, value: {{ $values.logLevel | quote }} }
- { name: CALLOSUM_PUBLIC_URL, value: {{ $values.publicUrl | quote }} }
- { name: CALLOSUM_HTTP_HOST, value: {{ $bind }} }
- { name: CALLOSUM_HTTP_PORT, value: "8080" }
{{- if and $values.corsOrigins (has .name (list "dicomweb" "all-in-one")) }}
- { name: CALLOSUM_CORS_ORIGINS, value: {{ join "," $values.corsOrigins | quote }} }
{{- end }}
{{- include "callosum.authEnv" . }}
{{- range .fact.listeners }}
- { name: {{ .host }}, value: {{ $bind }} }
- { name: {{ .host | replace "_HOST" "_PORT" }}, value: {{ .port | int | quote }} }
{{- if eq .name "dimse" }}
- { name: CALLOSUM_DIMSE_AE, value: {{ $values.dicom.aeTitle | quote }} }
{{- if $values.auth.enabled }}
- { name: CALLOSUM_DIMSE_AES, value: {{ $values.dicom.aes | toJson | quote }} }
{{- if ne $values.dicom.tls "none" }}
- { name: CALLOSUM_DIMSE_TLS, value: {{ ternary "mutual" "on" (eq $values.dicom.tls "mutual") | quote }} }
- { name: CALLOSUM_DIMSE_TLS_PORT, value: {{ .port | int | quote }} }
- { name: CALLOSUM_DIMSE_PLAIN, value: "false" }
- { name: CALLOSUM_DIMSE_TLS_CERT_FILE, value: /etc/callosum/dimse-tls/tls.crt }
- { name: CALLOSUM_DIMSE_TLS_KEY_FILE, value: /etc/callosum/dimse-tls/tls.key }
- { name: CALLOSUM_DIMSE_TLS_CA_FILE, value: /etc/callosum/dimse-tls/ca.crt }
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- if eq .name "all-in-one" }}
- { name: CALLOSUM_DATA_DIR, value: /var/lib/callosum }
{{- else }}
{{- include "callosum.distributedEnv" . }}
{{- end }}
{{- with include "callosum.otlpEndpoint" .root }}
- { name: OTEL_EXPORTER_OTLP_ENDPOINT, value: {{ . | quote }} }
{{- end }}
{{- include "callosum.extraEnv" .component }}
{{- end -}}

{{- define "callosum.extraEnv" -}}
{{- range $name, $value := .env }}
- { name: {{ $name }}, value: {{ $value | toString | quote }} }
{{- end }}
{{- end -}}

{{/* Of the command line in a pod of its own: where every service answers, and who it is to them. */}}
{{- define "callosum.cliEnv" -}}
{{- $full := include "callosum.fullname" . }}
{{- $services := list }}
{{- range $name, $fact := (include "callosum.facts" . | fromYaml).services }}
{{- $services = append $services (printf "%s=%s-%s:%d" $name $full $name (int $fact.grpc.port)) }}
{{- end }}
- { name: CALLOSUM_SERVICES_GRPC, value: {{ join "," $services | quote }} }
{{- include "callosum.internalGrpcEnv" . }}
{{- if eq .Values.auth.internal "token" }}
- { name: CALLOSUM_AUTH_SERVICE_KEYS_FILE, value: /etc/callosum/service-keys/keys.json }
{{- end }}
{{- end -}}

{{- define "callosum.databaseEnv" -}}
- { name: CALLOSUM_DATABASE_HOST, value: {{ include "callosum.databaseHost" . | quote }} }
- { name: CALLOSUM_DATABASE_PORT, value: {{ include "callosum.databasePort" . | quote }} }
- { name: CALLOSUM_DATABASE_NAME, value: {{ .Values.database.name | quote }} }
- { name: CALLOSUM_DATABASE_TLS, value: {{ ternary "verify-full" .Values.database.tls .Values.cloudnativepg.enabled | quote }} }
{{- if include "callosum.databaseCa" . }}
- { name: CALLOSUM_DATABASE_TLS_CA_FILE, value: /etc/callosum/database-ca/ca.crt }
{{- end }}
- { name: CALLOSUM_EVENT_LOG, value: kafka }
{{- end -}}

{{- define "callosum.distributedEnv" -}}
{{- $values := .root.Values -}}
{{- $full := include "callosum.fullname" .root }}
{{ include "callosum.databaseEnv" .root }}
- { name: CALLOSUM_DATABASE_USER, value: {{ .fact.schema }} }
- name: CALLOSUM_DATABASE_PASSWORD
  valueFrom: { secretKeyRef: { name: {{ $values.database.passwordsSecret }}, key: {{ .fact.schema }} } }
- { name: CALLOSUM_DATABASE_POOL_MAX, value: {{ $values.database.poolMax | int | quote }} }
- { name: CALLOSUM_DATABASE_STATEMENT_MS_MAX, value: {{ $values.database.statementMsMax | int | quote }} }
- { name: CALLOSUM_DATABASE_LOCK_MS_MAX, value: {{ $values.database.lockMsMax | int | quote }} }
- { name: CALLOSUM_KAFKA_BROKERS, value: {{ include "callosum.brokers" .root | quote }} }
- { name: CALLOSUM_KAFKA_REPLICATION, value: {{ ternary $values.strimzi.replicas $values.kafka.replication $values.strimzi.enabled | int | quote }} }
{{- include "callosum.kafkaEnv" . }}
{{- if .fact.objectStore }}
- { name: CALLOSUM_OBJECT_STORE, value: s3 }
{{- with $values.objectStore.endpoint }}
- { name: CALLOSUM_S3_ENDPOINT, value: {{ . | quote }} }
{{- end }}
- { name: CALLOSUM_S3_REGION, value: {{ $values.objectStore.region | quote }} }
- { name: CALLOSUM_S3_BUCKET, value: {{ $values.objectStore.bucket | quote }} }
- { name: CALLOSUM_S3_ENCRYPTION, value: {{ $values.objectStore.encryption | quote }} }
{{- with $values.objectStore.kmsKeyId }}
- { name: CALLOSUM_S3_KMS_KEY_ID, value: {{ . | quote }} }
{{- end }}
- { name: CALLOSUM_S3_CHECKSUM, value: {{ $values.objectStore.checksum | quote }} }
{{- with $values.objectStore.credentialsSecret }}
- name: CALLOSUM_S3_ACCESS_KEY_ID
  valueFrom: { secretKeyRef: { name: {{ . }}, key: access-key-id } }
- name: CALLOSUM_S3_SECRET_ACCESS_KEY
  valueFrom: { secretKeyRef: { name: {{ . }}, key: secret-access-key } }
{{- end }}
{{- else }}
{{- /* Not used by this service; the default would be a folder of a read-only container. */}}
- { name: CALLOSUM_OBJECT_STORE_DIR, value: /tmp/objects }
{{- end }}
{{- with .fact.grpc }}
{{- /* What no other service calls by gRPC is for the command line in the pod itself. */}}
{{- $called := list }}
{{- if .variable }}{{- $called = include "callosum.callers" (dict "root" $.root "name" $.name) | fromYamlArray }}{{- end }}
- { name: CALLOSUM_INTERNAL_GRPC, value: "{{ ternary (include "callosum.bindHost" $.root) "127.0.0.1" (or (gt (len $called) 0) $values.toolbox.enabled) }}:{{ .port | int }}" }
{{- if and .variable (not $called) }}
- { name: {{ .variable }}, value: "localhost:{{ .port | int }}" }
{{- end }}
{{- end }}
{{- $facts := include "callosum.facts" .root | fromYaml }}
{{- range .fact.calls }}
{{- $callee := get $facts.services . }}
{{- with $callee.grpc.variable }}
- { name: {{ . }}, value: "{{ $full }}-{{ $callee.schema | replace "_" "-" }}:{{ $callee.grpc.port | int }}" }
{{- else }}
- { name: CALLOSUM_FHIR_URL, value: {{ default (printf "http://%s-fhir-gateway:8080/fhir" $full) $values.fhir.url | quote }} }
{{- end }}
{{- end }}
{{- end -}}
