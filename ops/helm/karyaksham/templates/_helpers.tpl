{{- define "karyaksham.fullname" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" }}{{ end }}
{{- end }}

{{/* Labels that pods are selected by; takes a dict of root and component. */}}
{{- define "karyaksham.selector" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "karyaksham.labels" -}}
{{ include "karyaksham.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{- define "karyaksham.image" -}}
{{- with .Values.image }}
{{- if .digest }}{{ .repository }}@{{ .digest }}{{ else }}{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end }}
{{- end }}

{{/* Pod security "restricted", and a root that nobody writes to. */}}
{{- define "karyaksham.podSecurity" -}}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .Values.image.pullSecrets }}
imagePullSecrets: {{ toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "karyaksham.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* Keys of the Secret that a component reads, separated by spaces. */}}
{{- define "karyaksham.secretKeys" -}}
{{- $s3 := ternary " s3_access_key_id s3_secret_access_key" "" .root.Values.secrets.s3Keys -}}
{{- $rotated := .root.Values.secrets.previousKeys -}}
{{- if eq .component "api" -}}
database_url redis_url signing_key encryption_key{{ $s3 }}{{ ternary " previous_signing_keys previous_encryption_keys" "" $rotated }}{{ ternary " admin_password" "" .root.Values.secrets.adminPassword }}{{ ternary " oidc_client_secret" "" .root.Values.secrets.oidcClientSecret }}
{{- else if eq .component "worker" -}}
database_url redis_url encryption_key{{ $s3 }}{{ ternary " previous_encryption_keys" "" $rotated }}{{ ternary " smtp_url" "" .root.Values.secrets.smtpUrl }}
{{- else if eq .component "flight" -}}
verification_keys{{ $s3 }}
{{- else if eq .component "migrate" -}}
database_url migration_database_url
{{- end }}
{{- end }}

{{/* Settings of a component: the chart's own, then `settings`, then secrets as files. */}}
{{- define "karyaksham.environment" -}}
{{- $values := .root.Values -}}
{{- $own := dict "ENVIRONMENT" "production" "LOG_FORMAT" "json" -}}
{{- if ne .component "migrate" -}}
{{- $_ := set $own "PUBLIC_URL" (printf "https://%s" $values.host) -}}
{{- $_ := set $own "FLIGHT_PUBLIC_URL" (printf "grpc+tls://%s:443" $values.flightHost) -}}
{{- end -}}
{{- if eq .component "api" -}}
{{- /* the network policy lets only the ingress's pods and ours reach it */ -}}
{{- $_ := set $own "TRUSTED_PROXIES" "*" -}}
{{- else if eq .component "worker" -}}
{{- $_ := set $own "WORKER_METRICS_PORT" "9100" -}}
{{- $_ := set $own "WORKER_CONCURRENCY" (toString $values.worker.concurrency) -}}
{{- $_ := set $own "WORKER_DRAIN_SECONDS" (toString $values.worker.drainSeconds) -}}
{{- else if eq .component "flight" -}}
{{- $_ := set $own "FLIGHT_METRICS_PORT" "9100" -}}
{{- $_ := set $own "API_URL" (printf "http://%s-api:8000" (include "karyaksham.fullname" .root)) -}}
{{- end -}}
{{- range $name, $value := mergeOverwrite $own (deepCopy $values.settings) }}
{{- if ne (toString $value) "" }}
- {name: {{ $name }}, value: {{ toString $value | quote }}}
{{- end }}
{{- end }}
{{- range $key := splitList " " (include "karyaksham.secretKeys" .) }}
- {name: {{ upper $key }}_FILE, value: /run/secrets/karyaksham/{{ $key }}}
{{- end }}
{{- end }}

{{- define "karyaksham.mounts" -}}
- {name: tmp, mountPath: /tmp}
- {name: secrets, mountPath: /run/secrets/karyaksham, readOnly: true}
{{- end }}

{{- define "karyaksham.volumes" -}}
- name: tmp
  emptyDir: {sizeLimit: 256Mi}
- name: secrets
  secret:
    secretName: {{ .root.Values.secrets.name }}
    defaultMode: 0440
    items:
      {{- range $key := splitList " " (include "karyaksham.secretKeys" .) }}
      - {key: {{ $key }}, path: {{ $key }}}
      {{- end }}
{{- end }}

{{/* Where the engine spills: takes the `spill` of a component's values. */}}
{{- define "karyaksham.spill" -}}
- name: spill
  {{- if .storageClassName }}
  ephemeral:
    volumeClaimTemplate:
      spec:
        accessModes: [ReadWriteOnce]
        storageClassName: {{ .storageClassName }}
        resources: {requests: {storage: {{ .size }}}}
  {{- else }}
  emptyDir: {sizeLimit: {{ .size }}}
  {{- end }}
{{- end }}

{{/* Pods of one component on different nodes, where there are several. */}}
{{- define "karyaksham.placement" -}}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{ include "karyaksham.selector" . | nindent 8 }}
{{- with (index .root.Values .component).nodeSelector }}
nodeSelector: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with (index .root.Values .component).tolerations }}
tolerations: {{ toYaml . | nindent 2 }}
{{- end }}
{{- end }}
