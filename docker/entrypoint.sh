#!/usr/bin/env bash
# The container's entrypoint: reads secrets from files, sets the termination log, then becomes the program.
#
#   docker run IMAGE                 python -m ingestion run: migrate, ingest, dbt, report
#   docker run IMAGE status --json   python -m ingestion status --json, and so for every command of the pipeline
#   docker run -it IMAGE bash        any other program on PATH
#
# `python -m ingestion run` itself runs the steps and waits for a database that is still starting. Because it is one
# process, a signal reaches every step, and ops.pipeline_runs records a failure of any of them.
# The exit codes are those of the program. The script's own failures exit with 78 (bad configuration).
set -euo pipefail

readonly EX_CONFIG=78
readonly TERMINATION_LOG=${PIPELINE_TERMINATION_LOG:-/dev/termination-log}
# each may come from a file: NAME_FILE is its path, such as /run/secrets/pipeline_password
# settings: begin (written by python -m scripts.settings)
readonly SECRET_NAMES=(
  DATABASE_URL
  PGUSER
  PGPASSWORD
  DB_USER
  DB_PASSWORD
  PIPELINE_ERASURE_KEY
  PIPELINE_ALERT_SLACK_URL
  PIPELINE_ALERT_TEAMS_URL
  PIPELINE_ALERT_WEBHOOK_URL
  PIPELINE_ALERT_WEBHOOK_TOKEN
  PIPELINE_ALERT_NTFY_URL
  PIPELINE_ALERT_NTFY_TOKEN
  PIPELINE_ALERT_SMTP_URL
  PIPELINE_ALERT_GITHUB_TOKEN
  PIPELINE_ALERT_PING_URL
  PIPELINE_ALERT_PUSHGATEWAY_URL
  PIPELINE_DIGEST_SLACK_URL
  PIPELINE_DIGEST_TEAMS_URL
  OTEL_EXPORTER_OTLP_HEADERS
  OTEL_EXPORTER_OTLP_TRACES_HEADERS
  OTEL_EXPORTER_OTLP_METRICS_HEADERS
  OPENLINEAGE_API_KEY
  AWS_ACCESS_KEY_ID
  AWS_SECRET_ACCESS_KEY
  AWS_SESSION_TOKEN
  AZURE_CLIENT_SECRET
  AZURE_STORAGE_CLIENT_SECRET
  AZURE_STORAGE_ACCOUNT_KEY
  AZURE_STORAGE_ACCESS_KEY
  AZURE_STORAGE_MASTER_KEY
  AZURE_STORAGE_CONNECTION_STRING
  AZURE_STORAGE_SAS_TOKEN
  AZURE_STORAGE_SAS_KEY
  AZURE_STORAGE_TOKEN
  AZURE_STORAGE_KEY
  GOOGLE_SERVICE_ACCOUNT_KEY
  GOOGLE_BEARER_TOKEN
)
# settings: end

fail_configuration() {
  printf 'entrypoint: %s\n' "$1" >&2
  if [[ -w $TERMINATION_LOG ]]; then printf 'configuration: %s\n' "$1" >"$TERMINATION_LOG"; fi
  exit "$EX_CONFIG"
}

# file_env NAME: export NAME with the content of the file that NAME_FILE names
file_env() {
  local name=$1 file_name=${1}_FILE
  local file=${!file_name:-} value
  [[ -n $file ]] || return 0
  if [[ -n ${!name:-} ]]; then
    fail_configuration "$name and $file_name are both set: unset one of them"
  fi
  if [[ ! -e $file ]]; then
    fail_configuration "$file_name: the file $file does not exist: mount the secret there or correct the path"
  fi
  if [[ ! -f $file || ! -r $file ]]; then
    fail_configuration "$file_name: uid $(id -u) cannot read $file: on the host, chmod 0444 the file (in a folder of \
mode 0700), or run the container as the file's owner (--user)"
  fi
  value=$(tr -d '\0' <"$file")
  if [[ -z $value ]]; then fail_configuration "$file_name: the file $file is empty: write the secret into it"; fi
  export "$name=$value"
  unset "$file_name"
}

read_secret_files() {
  local name
  for name in "${SECRET_NAMES[@]}"; do file_env "$name"; done
}

# Kubernetes reads a container's termination message from this file. Elsewhere the file does not exist.
set_termination_log() {
  if [[ -w $TERMINATION_LOG ]]; then
    export PIPELINE_TERMINATION_LOG=$TERMINATION_LOG
  else
    unset PIPELINE_TERMINATION_LOG
  fi
}

# Everything that is not a program on PATH is a command of the pipeline, which reports unknown commands.
# `ls` is a command of the pipeline: it lists the landing zone.
is_program() {
  [[ $1 != -* && $1 != ls ]] && type -P -- "$1" >/dev/null
}

main() {
  if (($# == 0)); then set -- run; fi
  if is_program "$1"; then exec "$@"; fi
  read_secret_files
  set_termination_log
  exec python -m ingestion "$@"
}

main "$@"
