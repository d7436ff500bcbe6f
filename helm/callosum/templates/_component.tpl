{{/*
The one template of every component. dict:
  root       the chart's context
  name       of the component
  kind       service | worker | cli (holds the identity of the command line: templates/maintenance.yaml)
  component  its values, over `defaults`
  fact       what the code says of it (files/facts.yaml); {} for a worker
*/}}
{{- define "callosum.component" -}}
{{- $root := .root -}}
{{- $values := .root.Values -}}
{{- $component := mustMergeOverwrite (deepCopy $values.defaults) (deepCopy .component) -}}
{{- $context := dict "root" .root "name" .name "kind" .kind "component" $component "fact" .fact -}}
{{- $ports := include "callosum.ports" $context | fromYamlArray -}}
{{- $_ := set $context "ports" $ports -}}
{{- $name := printf "%s-%s" (include "callosum.fullname" .root) .name -}}
{{- $_ := set $context "fullname" $name -}}
{{- /* While a site is stopped nothing may start a service. */ -}}
{{- $stopped := and $values.maintenance.stopped (eq .kind "service") -}}
{{- $scaler := ternary "none" $component.autoscaling.type $stopped -}}
{{- $scaled := ne $scaler "none" -}}
{{- /* KEDA may look between Helm's stop and a deletion of what tells it to scale, and start pods that nothing ends: it is told to stop too. */ -}}
{{- $paused := and $stopped (eq $component.autoscaling.type "keda") -}}
{{- $_ := set $context "paused" $paused -}}
{{- $least := ternary $component.autoscaling.minReplicas $component.replicas $scaled | int -}}
{{- $stateful := eq .name "all-in-one" }}
---
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ $name }}
  labels: {{- include "callosum.labels" $context | nindent 4 }}
  {{- /* Who it is to the cloud (S3 without keys of its own) is a matter of services: a vendor's worker is nobody there unless it is said. */}}
  {{- with merge (deepCopy (default dict $component.serviceAccountAnnotations)) (ternary $values.serviceAccount.annotations dict (eq .kind "service")) }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
automountServiceAccountToken: false
---
apiVersion: apps/v1
kind: {{ ternary "StatefulSet" "Deployment" $stateful }}
metadata:
  name: {{ $name }}
  labels: {{- include "callosum.labels" $context | nindent 4 }}
spec:
  {{- if not $scaled }}
  replicas: {{ ternary 0 $component.replicas $stopped | int }}
  {{- end }}
  {{- if $stateful }}
  {{- /* At most one pod holds the folder, also when a node is lost. */}}
  serviceName: {{ $name }}
  {{- else }}
  revisionHistoryLimit: 5
  strategy:
    type: RollingUpdate
    rollingUpdate: { maxUnavailable: 0, maxSurge: 1 }
  {{- end }}
  selector:
    matchLabels: {{- include "callosum.selector" $context | nindent 6 }}
  template:
    metadata:
      labels: {{- include "callosum.labels" $context | nindent 8 }}
      {{- with $component.podAnnotations }}
      annotations: {{- toYaml . | nindent 8 }}
      {{- end }}
    spec:
      {{- include "callosum.podSpec" $context | nindent 6 }}
  {{- if $stateful }}
  volumeClaimTemplates:
    - metadata: { name: data }
      spec:
        accessModes: [ReadWriteOncePod]
        {{- with $component.storage.className }}
        storageClassName: {{ . }}
        {{- end }}
        resources: { requests: { storage: {{ $component.storage.size }} } }
  {{- end }}
{{- include "callosum.services" $context }}
{{- if eq $scaler "hpa" }}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: {{ $name }}
  labels: {{- include "callosum.labels" $context | nindent 4 }}
spec:
  scaleTargetRef: { apiVersion: apps/v1, kind: Deployment, name: {{ $name }} }
  minReplicas: {{ $component.autoscaling.minReplicas | int }}
  maxReplicas: {{ $component.autoscaling.maxReplicas | int }}
  metrics:
    - type: Resource
      resource: { name: cpu, target: { type: Utilization, averageUtilization: {{ $component.autoscaling.cpuPercent | int }} } }
  behavior:
    # Associations and streams are long: shrink slowly.
    scaleDown: { stabilizationWindowSeconds: 600, policies: [{ type: Pods, value: 1, periodSeconds: 120 }] }
{{- else if or $paused (eq $scaler "keda") }}
{{- if include "callosum.part" (dict "root" .root "on" true "api" "keda.sh/v1alpha1" "part" (printf "autoscaling.type keda of %s" .name)) }}
---
{{ include "callosum.scaledObject" $context }}
{{- end }}
{{- end }}
{{- if and $component.podDisruptionBudget (ge $least 2) }}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ $name }}
  labels: {{- include "callosum.labels" $context | nindent 4 }}
spec:
  maxUnavailable: 1
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels: {{- include "callosum.selector" $context | nindent 6 }}
{{- end }}
{{- if $values.networkPolicy.enabled }}
---
{{ include "callosum.networkPolicy" $context }}
{{- end }}
{{- end -}}

{{- define "callosum.podSpec" -}}
{{- $values := .root.Values -}}
{{- $component := .component -}}
{{- $volumes := list -}}
{{- if eq .kind "service" -}}{{- $volumes = concat (include "callosum.authVolumes" . | fromYamlArray) (include "callosum.kafkaVolumes" . | fromYamlArray) (include "callosum.databaseVolumes" . | fromYamlArray) -}}
{{- else if eq .kind "cli" -}}{{- $volumes = include "callosum.cliVolumes" .root | fromYamlArray -}}{{- end -}}
serviceAccountName: {{ .fullname }}
automountServiceAccountToken: false
enableServiceLinks: false
terminationGracePeriodSeconds: {{ $component.terminationGracePeriodSeconds | int }}
{{- with $component.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $values.image.pullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
securityContext: {{- include "callosum.podSecurity" . | nindent 2 }}
{{- if $component.topologySpread }}
topologySpreadConstraints:
  {{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{- include "callosum.selector" $ | nindent 8 }}
  {{- end }}
{{- end }}
{{- with $component.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $component.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
containers:
  - name: {{ .name }}
    image: {{ default (include "callosum.image" .root) $component.image | quote }}
    imagePullPolicy: {{ $values.image.pullPolicy }}
    {{- if has .kind (list "service" "cli") }}
    args: [{{ .name }}]
    {{- else if $component.entry }}
    args: [{{ $component.entry }}]
    {{- else if $component.args }}
    args: {{- toYaml $component.args | nindent 6 }}
    {{- end }}
    env:
      {{- if eq .kind "service" }}
      {{- include "callosum.env" . | trim | nindent 6 }}
      {{- else if eq .kind "cli" }}
      {{- include "callosum.cliEnv" .root | trim | nindent 6 }}
      {{- else }}
      {{- include "callosum.workerEnv" . | trim | nindent 6 }}
      {{- end }}
    {{- with .ports }}
    ports:
      {{- range . }}
      - { name: {{ .name }}, containerPort: {{ .port }}, protocol: TCP }
      {{- end }}
    {{- end }}
    {{- if eq .kind "service" }}
    {{- include "callosum.probes" . | nindent 4 }}
    # Endpoints forget the pod before it stops taking connections.
    lifecycle: { preStop: { sleep: { seconds: {{ $component.preStopSeconds | int }} } } }
    {{- end }}
    resources:
      requests: {{- toYaml $component.resources.requests | nindent 8 }}
      limits:
        {{- toYaml $component.resources.limits | nindent 8 }}
        {{- with $component.gpus }}
        nvidia.com/gpu: {{ . | int }}
        {{- end }}
    securityContext: {{- include "callosum.containerSecurity" . | nindent 6 }}
    volumeMounts:
      - { name: tmp, mountPath: /tmp }
      {{- if eq .name "all-in-one" }}
      - { name: data, mountPath: /var/lib/callosum }
      {{- end }}
      {{- range $volumes }}
      - { name: {{ .name }}, mountPath: {{ .path }}, readOnly: true }
      {{- end }}
      {{- if and (eq .kind "worker") $component.tokenSecret }}
      - { name: worker-ca, mountPath: /etc/callosum/worker-ca, readOnly: true }
      {{- end }}
volumes:
  - { name: tmp, emptyDir: { sizeLimit: {{ $component.tmpSizeLimit }} } }
  {{- range $volumes }}
  - { name: {{ .name }}, secret: { secretName: {{ .secret }}, defaultMode: 0440{{ with .items }}, items: {{ toJson . }}{{ end }} } }
  {{- end }}
  {{- if and (eq .kind "worker") $component.tokenSecret }}
  # The authority of the worker port's certificate, not its key.
  - { name: worker-ca, secret: { secretName: {{ $values.auth.workerTlsSecret }}, items: [{ key: ca.crt, path: ca.crt }] } }
  {{- end }}
{{- end -}}

{{/*
Probes have connections of their own on the metrics port: a flood of clients on the other must not make kubelet restart what is
well. Where ports are on loopback only, the image asks itself.
*/}}
{{- define "callosum.probes" -}}
{{- $probe := "exec: { command: [node, /app/entry.mjs, healthcheck, %s] }" -}}
{{- if .root.Values.auth.enabled -}}
{{- $probe = "httpGet: { path: %s, port: 9464, scheme: HTTP }" -}}
{{- end -}}
# A database that recovers from a crash may keep a service starting for minutes.
startupProbe: { {{ printf $probe "/healthz" }}, periodSeconds: 5, timeoutSeconds: 5, failureThreshold: 60 }
livenessProbe: { {{ printf $probe "/healthz" }}, periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 3 }
# Its checks give a dependency 3 s.
readinessProbe: { {{ printf $probe "/readyz" }}, periodSeconds: 5, timeoutSeconds: 5, failureThreshold: 3 }
{{- end -}}

{{- define "callosum.workerEnv" -}}
{{- $target := ternary "all-in-one-worker" "inference-orchestrator-worker" (eq .root.Values.mode "allInOne") }}
- { name: CALLOSUM_WORKER_TARGET, value: "{{ if .component.tokenSecret }}https://{{ end }}{{ include "callosum.fullname" .root }}-{{ $target }}:50051" }
{{- with include "callosum.otlpEndpoint" .root }}
- { name: OTEL_EXPORTER_OTLP_ENDPOINT, value: {{ . | quote }} }
{{- end }}
{{- with .component.tokenSecret }}
- { name: CALLOSUM_WORKER_TOKEN, valueFrom: { secretKeyRef: { name: {{ . }}, key: token } } }
- { name: GRPC_DEFAULT_SSL_ROOTS_FILE_PATH, value: /etc/callosum/worker-ca/ca.crt }
{{- end }}
{{- include "callosum.extraEnv" .component }}
{{- end -}}

{{/* One ClusterIP Service for HTTP, gRPC and metrics; one of its own for each TCP listener. */}}
{{- define "callosum.services" -}}
{{- $inside := list -}}
{{- range .ports }}{{- if has .name (list "http" "grpc" "metrics") }}{{- $inside = append $inside . }}{{- end }}{{- end }}
{{- if $inside }}
---
apiVersion: v1
kind: Service
metadata:
  name: {{ .fullname }}
  labels: {{- include "callosum.labels" . | nindent 4 }}
spec:
  type: ClusterIP
  selector: {{- include "callosum.selector" . | nindent 4 }}
  ports:
    {{- range $inside }}
    - { name: {{ .name }}, port: {{ .port }}, targetPort: {{ .name }}, protocol: TCP{{ if eq .name "grpc" }}, appProtocol: kubernetes.io/h2c{{ end }} }
    {{- end }}
{{- end }}
{{- range $port := .ports }}
{{- $listener := get ($.component.listeners | default dict) $port.name }}
{{- if $listener }}
---
apiVersion: v1
kind: Service
metadata:
  name: {{ $.fullname }}-{{ $port.name }}
  labels: {{- include "callosum.labels" $ | nindent 4 }}
  {{- with $listener.annotations }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  type: {{ $listener.type }}
  {{- if ne $listener.type "ClusterIP" }}
  # Keeps the source address: allow-lists know an AE and a vendor by it.
  externalTrafficPolicy: Local
  {{- end }}
  selector: {{- include "callosum.selector" $ | nindent 4 }}
  ports:
    - { name: {{ $port.name }}, port: {{ $listener.port | int }}, targetPort: {{ $port.name }}, protocol: TCP }
{{- end }}
{{- end }}
{{- end -}}

{{- define "callosum.scaledObject" -}}
{{- $scaling := .component.autoscaling -}}
{{- $values := .root.Values -}}
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata:
  name: {{ .fullname }}
  labels: {{- include "callosum.labels" . | nindent 4 }}
  {{- if .paused }}
  annotations: { autoscaling.keda.sh/paused-replicas: "0" }
  {{- end }}
spec:
  scaleTargetRef: { apiVersion: apps/v1, kind: Deployment, name: {{ .fullname }} }
  minReplicaCount: {{ $scaling.minReplicas | int }}
  maxReplicaCount: {{ $scaling.maxReplicas | int }}
  pollingInterval: 15
  cooldownPeriod: 600
  triggers:
    {{- range .fact.consumes }}
    - type: kafka
      metadata:
        bootstrapServers: {{ include "callosum.brokers" $.root }}
        consumerGroup: {{ $.name }}
        topic: {{ . }}
        lagThreshold: {{ $scaling.lagThreshold | int | quote }}
        offsetResetPolicy: earliest
        {{- if or $values.strimzi.enabled $values.kafka.tls }}
        tls: enable
        {{- end }}
        {{- with $values.kafka.sasl }}
        sasl: {{ . | replace "-sha-" "_sha" }}
        {{- end }}
      {{- if include "callosum.kafkaProof" $.root }}
      authenticationRef: { name: {{ $.fullname }} }
      {{- end }}
    {{- end }}
    {{- if eq .kind "worker" }}
    # Jobs of this model that wait for a worker: replicas of the orchestrator count the same rows, so max and not sum. Another
    # site's in the same Prometheus are not ours; where one site is all there is, its series may have no label.
    - type: prometheus
      metadata:
        serverAddress: {{ required "monitoring.prometheusUrl: a worker is scaled by the job queue, which KEDA asks Prometheus for" $values.monitoring.prometheusUrl }}
        query: max(callosum_inference_jobs_queued{callosum_model={{ .component.model | quote }},callosum_site=~"{{ $values.site }}|"})
        threshold: {{ $scaling.queueThreshold | int | quote }}
    {{- end }}
{{- if and .fact.consumes (include "callosum.kafkaProof" .root) }}
---
# KEDA asks Kafka for the lag as the consumer itself.
apiVersion: keda.sh/v1alpha1
kind: TriggerAuthentication
metadata:
  name: {{ .fullname }}
  labels: {{- include "callosum.labels" . | nindent 4 }}
spec:
  secretTargetRef:
    {{- if $values.strimzi.enabled }}
    - { parameter: ca, name: {{ $values.strimzi.clusterName }}-cluster-ca-cert, key: ca.crt }
    - { parameter: cert, name: {{ .fullname }}, key: user.crt }
    - { parameter: key, name: {{ .fullname }}, key: user.key }
    {{- else }}
    {{- with $values.kafka.caSecret }}
    - { parameter: ca, name: {{ . }}, key: ca.crt }
    {{- end }}
    {{- with $values.kafka.clientCertSecret }}
    - { parameter: cert, name: {{ . }}, key: tls.crt }
    - { parameter: key, name: {{ . }}, key: tls.key }
    {{- end }}
    {{- if $values.kafka.sasl }}
    {{- $bearer := eq $values.kafka.sasl "oauthbearer" }}
    - { parameter: username, name: {{ $values.kafka.credentialsSecret }}, key: {{ ternary "client-id" "username" $bearer }} }
    - { parameter: password, name: {{ $values.kafka.credentialsSecret }}, key: {{ ternary "client-secret" "password" $bearer }} }
    {{- if $bearer }}
  configMapTargetRef:
    - { parameter: oauthTokenEndpointUri, name: {{ .fullname }}-kafka, key: token-url }
    - { parameter: scopes, name: {{ .fullname }}-kafka, key: scope }
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .fullname }}-kafka
  labels: {{- include "callosum.labels" . | nindent 4 }}
data:
  token-url: {{ $values.kafka.oauth.tokenUrl | quote }}
  scope: {{ $values.kafka.oauth.scope | quote }}
    {{- end }}
    {{- end }}
    {{- end }}
{{- end }}
{{- end -}}
