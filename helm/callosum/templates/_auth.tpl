{{/*
Authentication, in one place: values.auth to the settings of the services, and the files they name. dict root, name
*/}}
{{- define "callosum.authEnv" -}}
{{- $auth := .root.Values.auth -}}
{{- if $auth.enabled }}
- { name: CALLOSUM_AUTH_OIDC_ISSUER, value: {{ $auth.oidc.issuer | quote }} }
- { name: CALLOSUM_AUTH_OIDC_AUDIENCE, value: {{ $auth.oidc.audience | quote }} }
- { name: CALLOSUM_AUTH_ROLES_CLAIM, value: {{ $auth.oidc.rolesClaim | quote }} }
{{- if $auth.oidc.rolePrefix }}
- { name: CALLOSUM_AUTH_ROLE_PREFIX, value: {{ $auth.oidc.rolePrefix | quote }} }
{{- end }}
- { name: CALLOSUM_AUTH_VIEWER_CLIENT_ID, value: {{ $auth.oidc.viewerClientId | quote }} }
- { name: CALLOSUM_AUTH_VIEWER_SCOPE, value: {{ $auth.oidc.viewerScope | quote }} }
- { name: CALLOSUM_AUTH_SERVICE_KEYS_FILE, value: /etc/callosum/service-keys/keys.json }
{{- if $auth.clientSecret }}
- { name: CALLOSUM_AUTH_CLIENT_ID, valueFrom: { secretKeyRef: { name: {{ $auth.clientSecret }}, key: client-id } } }
- { name: CALLOSUM_AUTH_CLIENT_SECRET_FILE, value: /etc/callosum/client/client-secret }
{{- end }}
- { name: CALLOSUM_METRICS_HOST, value: {{ include "callosum.bindHost" .root }} }
- { name: CALLOSUM_METRICS_PORT, value: "9464" }
{{- /* The metrics port asks nobody who they are: the network policy lets only the monitoring reach it. */}}
- { name: CALLOSUM_METRICS_ALLOW_REMOTE, value: "true" }
{{- range .fact.listeners }}
{{- if eq .name "worker" }}
- { name: CALLOSUM_AUTH_WORKERS, value: credential }
- { name: CALLOSUM_AUTH_WORKER_TLS_CERT_FILE, value: /etc/callosum/worker-tls/tls.crt }
- { name: CALLOSUM_AUTH_WORKER_TLS_KEY_FILE, value: /etc/callosum/worker-tls/tls.key }
{{- end }}
{{- end }}
{{- if ne .name "all-in-one" }}
{{- include "callosum.internalGrpcEnv" .root }}
{{- end }}
{{- end }}
{{- end -}}

{{/* How whoever calls over gRPC proves itself; its certificate, where it has one, is mounted at /etc/callosum/tls. */}}
{{- define "callosum.internalGrpcEnv" -}}
{{- $auth := .Values.auth }}
- { name: CALLOSUM_AUTH_INTERNAL_GRPC, value: {{ $auth.internal }} }
{{- if eq $auth.internal "mtls" }}
- { name: CALLOSUM_AUTH_TRUST_DOMAIN, value: {{ $auth.trustDomain | quote }} }
- { name: CALLOSUM_AUTH_TLS_CERT_FILE, value: /etc/callosum/tls/tls.crt }
- { name: CALLOSUM_AUTH_TLS_KEY_FILE, value: /etc/callosum/tls/tls.key }
- { name: CALLOSUM_AUTH_TLS_CA_FILE, value: /etc/callosum/tls/ca.crt }
{{- end }}
{{- end -}}

{{/* What the command line proves itself with, and nothing beside it: list of dict name, secret, path. */}}
{{- define "callosum.cliVolumes" -}}
{{- if eq .Values.auth.internal "mtls" -}}
- { name: tls, secret: {{ include "callosum.fullname" . }}-cli-internal-tls, path: /etc/callosum/tls }
{{- else -}}
- { name: service-keys, secret: {{ .Values.auth.serviceKeysSecret }}, path: /etc/callosum/service-keys }
{{- end -}}
{{- end -}}

{{/* Any address where callers must prove who they are, loopback where nobody asks (libs/platform/config/src/bind.ts). */}}
{{- define "callosum.bindHost" -}}
{{- if .Values.auth.enabled -}}0.0.0.0{{- else -}}127.0.0.1{{- end -}}
{{- end -}}

{{/* Secret volumes of authentication: list of dict name, secret, path. dict root, name */}}
{{- define "callosum.authVolumes" -}}
{{- $auth := .root.Values.auth -}}
{{- if $auth.enabled }}
- { name: service-keys, secret: {{ $auth.serviceKeysSecret }}, path: /etc/callosum/service-keys }
{{- if $auth.clientSecret }}
- { name: client, secret: {{ $auth.clientSecret }}, path: /etc/callosum/client }
{{- end }}
{{- range .fact.listeners }}
{{- if eq .name "worker" }}
- { name: worker-tls, secret: {{ $auth.workerTlsSecret }}, path: /etc/callosum/worker-tls }
{{- end }}
{{- if and (eq .name "dimse") (ne $.root.Values.dicom.tls "none") }}
- { name: dimse-tls, secret: {{ $.root.Values.dicom.tlsSecret }}, path: /etc/callosum/dimse-tls }
{{- end }}
{{- end }}
{{- if and (eq $auth.internal "mtls") (ne .name "all-in-one") }}
- { name: tls, secret: {{ include "callosum.fullname" .root }}-{{ .name }}-internal-tls, path: /etc/callosum/tls }
{{- end }}
{{- end }}
{{- end -}}

{{/* How a client proves itself to Kafka. dict root, name */}}
{{- define "callosum.kafkaEnv" -}}
{{- $kafka := .root.Values.kafka -}}
{{- if $kafka.smallSite }}
- { name: CALLOSUM_KAFKA_SMALL_SITE, value: "true" }
{{- end }}
{{- if or .root.Values.strimzi.enabled $kafka.tls }}
- { name: CALLOSUM_KAFKA_TLS, value: "true" }
{{- end }}
{{- if or .root.Values.strimzi.enabled $kafka.caSecret }}
- { name: CALLOSUM_KAFKA_TLS_CA_FILE, value: /etc/callosum/kafka-ca/ca.crt }
{{- end }}
{{- if .root.Values.strimzi.enabled }}
- { name: CALLOSUM_KAFKA_TLS_CERT_FILE, value: /etc/callosum/kafka-user/user.crt }
- { name: CALLOSUM_KAFKA_TLS_KEY_FILE, value: /etc/callosum/kafka-user/user.key }
{{- else }}
{{- if $kafka.clientCertSecret }}
- { name: CALLOSUM_KAFKA_TLS_CERT_FILE, value: /etc/callosum/kafka-user/tls.crt }
- { name: CALLOSUM_KAFKA_TLS_KEY_FILE, value: /etc/callosum/kafka-user/tls.key }
{{- end }}
{{- with $kafka.sasl }}
- { name: CALLOSUM_KAFKA_SASL, value: {{ . }} }
{{- end }}
{{- if eq $kafka.sasl "oauthbearer" }}
- { name: CALLOSUM_KAFKA_OAUTH_TOKEN_URL, value: {{ $kafka.oauth.tokenUrl | quote }} }
- { name: CALLOSUM_KAFKA_OAUTH_CLIENT_ID, valueFrom: { secretKeyRef: { name: {{ $kafka.credentialsSecret }}, key: client-id } } }
- { name: CALLOSUM_KAFKA_OAUTH_CLIENT_SECRET, valueFrom: { secretKeyRef: { name: {{ $kafka.credentialsSecret }}, key: client-secret } } }
{{- with $kafka.oauth.scope }}
- { name: CALLOSUM_KAFKA_OAUTH_SCOPE, value: {{ . | quote }} }
{{- end }}
{{- else if $kafka.sasl }}
- { name: CALLOSUM_KAFKA_USERNAME, valueFrom: { secretKeyRef: { name: {{ $kafka.credentialsSecret }}, key: username } } }
- { name: CALLOSUM_KAFKA_PASSWORD, valueFrom: { secretKeyRef: { name: {{ $kafka.credentialsSecret }}, key: password } } }
{{- end }}
{{- end }}
{{- end -}}

{{/* Whether KEDA is told how to prove itself to Kafka, or whom to believe. */}}
{{- define "callosum.kafkaProof" -}}
{{- $kafka := .Values.kafka -}}
{{- if or .Values.strimzi.enabled $kafka.caSecret $kafka.sasl $kafka.clientCertSecret -}}yes{{- end -}}
{{- end -}}

{{- define "callosum.kafkaVolumes" -}}
{{- $strimzi := .root.Values.strimzi -}}
{{- if ne .name "all-in-one" }}
{{- if $strimzi.enabled }}
- { name: kafka-ca, secret: {{ $strimzi.clusterName }}-cluster-ca-cert, path: /etc/callosum/kafka-ca }
- { name: kafka-user, secret: {{ include "callosum.fullname" .root }}-{{ .name }}, path: /etc/callosum/kafka-user }
{{- else }}
{{- with .root.Values.kafka.caSecret }}
- { name: kafka-ca, secret: {{ . }}, path: /etc/callosum/kafka-ca }
{{- end }}
{{- with .root.Values.kafka.clientCertSecret }}
- { name: kafka-user, secret: {{ . }}, path: /etc/callosum/kafka-user }
{{- end }}
{{- end }}
{{- end }}
{{- end -}}
