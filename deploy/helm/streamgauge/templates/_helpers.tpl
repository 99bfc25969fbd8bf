{{/* The name of everything of this release. */}}
{{- define "streamgauge.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "streamgauge.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "streamgauge.labels" -}}
{{ include "streamgauge.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{/* streamgauge.yaml: the values' config, with what the chart knows better. */}}
{{- define "streamgauge.config" -}}
{{- $config := deepCopy .Values.config }}
{{- $_ := set $config "data_dir" "/var/lib/streamgauge" }}
{{- $listener := default (dict) $config.listener }}
{{- $_ := set $listener "address" "0.0.0.0:1883" }}
{{- $_ := set $listener "metrics" "0.0.0.0:9464" }}
{{- $http := default (dict) $config.http }}
{{- $_ := set $http "address" "0.0.0.0:8080" }}
{{- if .Values.tls.listener }}
{{- $_ := set $listener "tls" (mergeOverwrite (dict "certificate" "/etc/streamgauge/tls/listener/tls.crt" "key" "/etc/streamgauge/tls/listener/tls.key") (default (dict) $listener.tls)) }}
{{- end }}
{{- if .Values.tls.http }}
{{- $_ := set $http "tls" (mergeOverwrite (dict "certificate" "/etc/streamgauge/tls/http/tls.crt" "key" "/etc/streamgauge/tls/http/tls.key") (default (dict) $http.tls)) }}
{{- end }}
{{- $console := dict "address" nil }}
{{- if .Values.console.enabled }}
{{- $api := printf "http%s://%s-http.%s.svc:%v" (ternary "s" "" (ne .Values.tls.http "")) (include "streamgauge.name" .) .Release.Namespace .Values.workers.service.port }}
{{- $console = mergeOverwrite (dict "address" "0.0.0.0:8081" "api" $api) (default (dict) $config.console) }}
{{- end }}
{{- $_ := set $config "console" $console }}
{{- $_ := set $config "listener" $listener }}
{{- $_ := set $config "http" $http }}
{{- if .Values.rules }}{{ $_ := set $config "rules" (list "/etc/streamgauge/rules/*.yaml") }}{{ end }}
{{- toYaml $config }}
{{- end }}

{{/* What both kinds of pods have in common. */}}
{{- define "streamgauge.pod" -}}
serviceAccountName: {{ include "streamgauge.name" . }}
automountServiceAccountToken: false
# Kubernetes' variables of a service called streamgauge-… would be taken for settings that do not exist.
enableServiceLinks: false
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile: {type: RuntimeDefault}
# The gateway ends within 25 s, the worker within 40.
terminationGracePeriodSeconds: 90
{{- end }}

{{- define "streamgauge.container" -}}
image: "{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}"
imagePullPolicy: {{ .Values.image.pullPolicy }}
envFrom:
  - secretRef: {name: {{ .Values.secret }}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end }}

{{- define "streamgauge.mounts" -}}
- {name: config, mountPath: /etc/streamgauge/streamgauge.yaml, subPath: streamgauge.yaml, readOnly: true}
- {name: data, mountPath: /var/lib/streamgauge}
- {name: tmp, mountPath: /tmp}
{{- if .Values.rules }}
- {name: rules, mountPath: /etc/streamgauge/rules, readOnly: true}
{{- end }}
{{- if .Values.tls.listener }}
- {name: tls-listener, mountPath: /etc/streamgauge/tls/listener, readOnly: true}
{{- end }}
{{- if .Values.tls.http }}
- {name: tls-http, mountPath: /etc/streamgauge/tls/http, readOnly: true}
{{- end }}
{{- end }}

{{- define "streamgauge.volumes" -}}
- name: config
  configMap: {name: {{ include "streamgauge.name" . }}}
- name: tmp
  emptyDir: {}
{{- if .Values.rules }}
- name: rules
  configMap: {name: {{ include "streamgauge.name" . }}-rules}
{{- end }}
{{- with .Values.tls.listener }}
- name: tls-listener
  secret: {secretName: {{ . }}}
{{- end }}
{{- with .Values.tls.http }}
- name: tls-http
  secret: {secretName: {{ . }}}
{{- end }}
{{- end }}

{{- define "streamgauge.checksum" -}}
checksum/config: {{ printf "%s%s" (include "streamgauge.config" .) (toJson .Values.rules) | sha256sum }}
{{- end }}
