#!/bin/sh
# Parses the dbt project while the image is built, so that a run's first `dbt build` need not: leaves
# dbt/target/partial_parse.msgpack. No database is asked and no password is used. Run in the folder that holds dbt/.
set -eu

[ -f dbt/dbt_project.yml ] || exit 0
# the settings of compose.prod.yaml, and the variables of ingestion/transform.py: dbt takes what it parsed only while
# these say the same, and parses anew otherwise
export PGHOST=postgres PGPORT=5432 PGDATABASE=wearables PGUSER=pipeline PGSSLMODE=prefer
export PGPASSWORD=unused-while-parsing PIPELINE_TRANSFORMER_ROLE=wearables_transformer
dbt --quiet parse --vars '{"raw_schema": "raw"}' --project-dir dbt --profiles-dir dbt \
  --target-path "$PWD/dbt/target" --log-path /tmp/dbt-logs
find dbt/target -mindepth 1 ! -name partial_parse.msgpack -delete
test -s dbt/target/partial_parse.msgpack
chmod -R u=rwX,go=rX dbt/target
