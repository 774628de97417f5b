#!/usr/bin/env bash
# What runs around the program in the container: secrets from files, the termination log, then exec.
#
#   docker run IMAGE                 migrate, ingest, dbt: python -m ingestion run
#   docker run IMAGE status --json   python -m ingestion status --json; so with every command the program knows
#   docker run -it IMAGE bash        any program on PATH is run as it is
#
# The fixed order (apply sql/, ingest, dbt) and the waiting for a database that is still starting
# (PIPELINE_DB_WAIT_SECONDS) are inside `python -m ingestion run`: one process, so that a signal reaches all of it,
# a failure anywhere is recorded in ops.pipeline_runs, and the waiting is written once for every way of starting.
# Exit codes are the program's; this script itself exits 78 (bad configuration) only.
set -euo pipefail

readonly EX_CONFIG=78
readonly TERMINATION_LOG=${PIPELINE_TERMINATION_LOG:-/dev/termination-log}
# each may be given as NAME_FILE: a path to a file that holds the value, such as /run/secrets/pipeline_password
readonly SECRET_NAMES=(DATABASE_URL PGUSER PGPASSWORD DB_USER DB_PASSWORD PIPELINE_ERASURE_KEY
  OTEL_EXPORTER_OTLP_HEADERS OPENLINEAGE_API_KEY
  AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN
  AZURE_CLIENT_SECRET AZURE_STORAGE_ACCOUNT_KEY AZURE_STORAGE_CONNECTION_STRING
  PIPELINE_ALERT_SLACK_URL PIPELINE_ALERT_TEAMS_URL PIPELINE_ALERT_WEBHOOK_URL PIPELINE_ALERT_WEBHOOK_TOKEN
  PIPELINE_ALERT_SMTP_URL PIPELINE_ALERT_GITHUB_TOKEN PIPELINE_ALERT_PING_URL PIPELINE_ALERT_PUSHGATEWAY_URL)

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
    fail_configuration "$file_name: there is no file $file: mount the secret there, or correct the path"
  fi
  if [[ ! -f $file || ! -r $file ]]; then
    fail_configuration "$file_name: $file cannot be read by uid $(id -u): on the host, chmod 0444 the file (in a \
folder of mode 0700), or run the container as the file's owner (--user)"
  fi
  value=$(tr -d '\0' <"$file")
  if [[ -z $value ]]; then fail_configuration "$file_name: $file is empty"; fi
  export "$name=$value"
  unset "$file_name"
}

read_secret_files() {
  local name
  for name in "${SECRET_NAMES[@]}"; do file_env "$name"; done
}

# Kubernetes shows the last words of a container from this file; elsewhere it does not exist
offer_termination_log() {
  if [[ -w $TERMINATION_LOG ]]; then
    export PIPELINE_TERMINATION_LOG=$TERMINATION_LOG
  else
    unset PIPELINE_TERMINATION_LOG
  fi
}

# A program on PATH is run as it is; all else is the pipeline's, which answers an unknown command with its usage.
# ls is the pipeline's: it shows the landing zone.
is_program() {
  [[ $1 != -* && $1 != ls ]] && type -P -- "$1" >/dev/null
}

main() {
  if (($# == 0)); then set -- run; fi
  if is_program "$1"; then exec "$@"; fi
  read_secret_files
  offer_termination_log
  exec python -m ingestion "$@"
}

main "$@"
