#!/usr/bin/env bash
# Runs the pipeline with the roles and settings of production: in containers (compose.prod.yaml) if a Docker engine
# answers, otherwise on the embedded PostgreSQL of this clone. Prints which. Usage: scripts/run-prod.sh [OPTIONS of run]
#
#   DATA_LAKE          the landing zone; default: data_lake/ if it contains CSV files, else sample_data/
#   WITHOUT_DOCKER=1   use the embedded PostgreSQL even if an engine answers
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf 'run-prod: %s\n' "$*" >&2; }

engine_answers() {
  [[ -z ${WITHOUT_DOCKER:-} ]] && docker info >/dev/null 2>&1 && docker compose version >/dev/null 2>&1
}

landing_zone() {
  if [[ -n $(find data_lake -name '*.csv' -print -quit 2>/dev/null) ]]; then echo ./data_lake; else echo ./sample_data; fi
}

in_containers() {
  say "with Docker and compose.prod.yaml; files from $DATA_LAKE"
  scripts/make-secrets.sh
  docker image inspect "${PIPELINE_IMAGE:-wearables-pipeline:latest}" >/dev/null 2>&1 || scripts/build-image.sh
  exec docker compose -f compose.prod.yaml run --rm pipeline run "$@"
}

on_embedded_postgresql() {
  say "without Docker: the same roles and settings on the embedded PostgreSQL; files from $DATA_LAKE"
  .venv/bin/python -m ingestion psql -X --quiet --file docker/postgres/roles.sql
  export PIPELINE_OWNER_ROLE=wearables_owner PIPELINE_LOADER_ROLE=wearables_loader \
    PIPELINE_TRANSFORMER_ROLE=wearables_transformer PIPELINE_LOG_FORMAT="${PIPELINE_LOG_FORMAT:-json}"
  exec .venv/bin/python -m ingestion run --data-dir "$DATA_LAKE" --use-manifest "$@"
}

main() {
  DATA_LAKE=${DATA_LAKE:-$(landing_zone)}
  export DATA_LAKE
  if engine_answers; then in_containers "$@"; else on_embedded_postgresql "$@"; fi
}

main "$@"
