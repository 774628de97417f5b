#!/usr/bin/env bash
# Runs the image once, keeps the log, the error summary and dbt's artifacts, and exits with the run's exit code.
# Usage: scripts/run-scheduled.sh
#
#   IMAGE      the image
#   DATA_DIR   the folder that becomes the landing zone; PIPELINE_DATA_DIR names a bucket instead
#   NETWORK    the container's network; default: host, so that a database on this machine can be reached
#   OUTPUT     the folder for the log, the summary and dbt's artifacts; default: build/scheduled
#
# It passes the settings of the pipeline that are listed below.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly output=${OUTPUT:-build/scheduled}
# settings: begin (written by python -m scripts.settings)
readonly plain=(
  PGHOST
  PGHOSTADDR
  PGSERVICE
  PGPORT
  PGDATABASE
  PGUSER
  PGSSLMODE
  DB_HOST
  DB_PORT
  DB_NAME
  DB_USER
  PIPELINE_DATA_DIR
  PIPELINE_USE_MANIFEST
  PIPELINE_PERSON_IN_PATH
  PIPELINE_SCHEMA
  PIPELINE_ARCHIVE
  PIPELINE_MIN_AGE_SECONDS
  PIPELINE_WORKERS
  PIPELINE_LOG_FORMAT
  PIPELINE_STORAGE_TIMEOUT_SECONDS
  PIPELINE_DB_WAIT_SECONDS
  PIPELINE_ON_CONCURRENT_RUN
  PIPELINE_LOCK_WAIT_SECONDS
  PIPELINE_STATEMENT_TIMEOUT_SECONDS
  PIPELINE_LOCK_TIMEOUT_SECONDS
  PIPELINE_OWNER_ROLE
  PIPELINE_LOADER_ROLE
  PIPELINE_TRANSFORMER_ROLE
  PIPELINE_DBT_VARS
  PIPELINE_STALE_AFTER_HOURS
  PIPELINE_REPORT_DIR
  PIPELINE_REPORTS_KEPT
  PIPELINE_REPORT_USER_IDS
  PIPELINE_ALERT_NAME
  PIPELINE_ALERT_LINK
  PIPELINE_ALERT_QUARANTINE_ROWS
  PIPELINE_ALERT_QUARANTINE_PERCENT
  PIPELINE_ALERT_REMIND_AFTER_HOURS
  PIPELINE_ALERT_TIMEOUT_SECONDS
  PIPELINE_ALERT_ATTEMPTS
  PIPELINE_ALERT_TOTAL_SECONDS
  PIPELINE_ALERT_EMAIL_TO
  PIPELINE_ALERT_EMAIL_FROM
  PIPELINE_ALERT_GITHUB_REPOSITORY
  PIPELINE_ALERT_GITHUB_API_URL
  PIPELINE_DIGEST_WEEKDAY
  PIPELINE_DIGEST_EMAIL_TO
  PIPELINE_DIGEST_ATTACH_REPORT
  OTEL_EXPORTER_OTLP_ENDPOINT
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT
  OTEL_EXPORTER_OTLP_METRICS_ENDPOINT
  OTEL_TRACES_EXPORTER
  OTEL_METRICS_EXPORTER
  OTEL_EXPORTER_OTLP_PROTOCOL
  OTEL_EXPORTER_OTLP_TRACES_PROTOCOL
  OTEL_EXPORTER_OTLP_METRICS_PROTOCOL
  OTEL_SDK_DISABLED
  TRACEPARENT
  TRACESTATE
  OPENLINEAGE_URL
  OPENLINEAGE_CONFIG
  OPENLINEAGE__TRANSPORT__
  OPENLINEAGE_NAMESPACE
  OPENLINEAGE_PARENT_ID
  OPENLINEAGE_DISABLED
  AWS_REGION
  AWS_ENDPOINT_URL
)
readonly secret=(
  DATABASE_URL
  PGPASSWORD
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
# variables that only libraries read
readonly of_libraries=(PGSSLROOTCERT OTEL_RESOURCE_ATTRIBUTES)

options=(--rm --read-only --tmpfs "/tmp:size=256m,mode=1777" --cap-drop ALL
  --security-opt no-new-privileges:true --user "$(id -u):$(id -g)" --network "${NETWORK:-host}")

add_settings() {
  local name
  for name in "${plain[@]}" "${of_libraries[@]}"; do
    if [[ -n ${!name:-} ]]; then options+=(--env "$name"); fi
  done
  options+=(--env PIPELINE_USE_MANIFEST=1 --env PIPELINE_LOG_FORMAT=json)
}

# Secrets go in as files: the command line and `docker inspect` would show variables.
add_secrets() {
  local name
  for name in "${secret[@]}"; do
    if [[ -n ${!name:-} ]]; then
      printf '%s' "${!name}" >"$secrets/$name"
      options+=(--volume "$secrets/$name:/run/secrets/$name:ro" --env "${name}_FILE=/run/secrets/$name")
    fi
  done
}

# Writes NAME=VALUE as an output of the workflow's step, or to stdout outside of GitHub Actions.
set_output() {
  printf '%s=%s\n' "$1" "$2" >>"${GITHUB_OUTPUT:-/dev/stdout}"
}

main() {
  secrets=$(mktemp -d)
  trap 'rm -rf "$secrets"' EXIT
  rm -rf "$output"
  mkdir -p "$output/dbt"
  : >"$output/error_summary"
  add_settings
  add_secrets
  options+=(
    --volume "$(realpath "${DATA_DIR:?set it to the folder of the landing zone}"):/data_lake:ro"
    --volume "$(realpath "$output"):/output"
    --env DBT_TARGET_PATH=/output/dbt --env DBT_LOG_PATH=/output/dbt
    --env PIPELINE_TERMINATION_LOG=/output/error_summary
  )
  local status=0
  docker run "${options[@]}" "${IMAGE:?set it to the image to run}" run 2>&1 | tee "$output/pipeline.log" || status=$?
  set_output exit_code "$status"
  set_output run_id "$(grep -oE '"run_id": ?"[0-9a-f-]{36}"' "$output/pipeline.log" | tail -n 1 | grep -oE '[0-9a-f-]{36}' || true)"
  set_output error_summary "$(tr -s '\r\n' '  ' <"$output/error_summary" | cut -c 1-1000)"
  return "$status"
}

main "$@"
