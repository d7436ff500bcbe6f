{{/*
What a Job of the image runs, with the identity of its component. dict:
  root       the chart's context
  name       of the component
  account    ServiceAccount
  args       of the image's entry
  env        as YAML
  volumes    list of dict name, secret, path
  resources
  retries    of a pod that failed
  deadline   in seconds
*/}}
{{- define "callosum.jobSpec" -}}
backoffLimit: {{ .retries }}
activeDeadlineSeconds: {{ .deadline | int }}
template:
  metadata:
    labels: {{- include "callosum.labels" . | nindent 6 }}
  spec:
    serviceAccountName: {{ .account }}
    automountServiceAccountToken: false
    enableServiceLinks: false
    restartPolicy: Never
    {{- with .root.Values.image.pullSecrets }}
    imagePullSecrets: {{- toYaml . | nindent 6 }}
    {{- end }}
    securityContext: {{- include "callosum.podSecurity" . | nindent 6 }}
    containers:
      - name: {{ .name }}
        image: {{ include "callosum.image" .root | quote }}
        imagePullPolicy: {{ .root.Values.image.pullPolicy }}
        args: {{ toJson .args }}
        env:
          {{- .env | trim | nindent 10 }}
        resources: {{- toYaml .resources | nindent 10 }}
        securityContext: {{- include "callosum.containerSecurity" . | nindent 10 }}
        volumeMounts:
          - { name: tmp, mountPath: /tmp }
          {{- range .volumes }}
          - { name: {{ .name }}, mountPath: {{ .path }}, readOnly: true }
          {{- end }}
    volumes:
      - { name: tmp, emptyDir: { sizeLimit: 64Mi } }
      {{- range .volumes }}
      - { name: {{ .name }}, secret: { secretName: {{ .secret }}, defaultMode: 0440 } }
      {{- end }}
{{- end -}}

{{/* ServiceAccount and policy of a Job. dict root, name, kind, annotations (of hooks); suffix, where the names are not the component's */}}
{{- define "callosum.jobIdentity" -}}
{{- $name := printf "%s-%s%s" (include "callosum.fullname" .root) .name (default "" .suffix) -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ $name }}
  labels: {{- include "callosum.labels" . | nindent 4 }}
  {{- with .annotations }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
automountServiceAccountToken: false
{{- if .root.Values.networkPolicy.enabled }}
---
{{ include "callosum.networkPolicy" (merge (dict "component" dict "fact" dict "ports" list) .) }}
{{- end }}
{{- end -}}
