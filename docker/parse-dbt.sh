#!/bin/sh
# Parses the dbt project into dbt/target/partial_parse.msgpack while the image is built, so that a run can skip it.
# Needs no database and no password. Run it in the folder that contains dbt/.
set -eu

# dbt reuses the result only with the same profile and variables: these are the settings of compose.prod.yaml and the
# variables of ingestion/transform/inputs.py.
export PGHOST=postgres PGPORT=5432 PGDATABASE=wearables PGUSER=pipeline PGSSLMODE=prefer
export PGPASSWORD=unused-while-parsing PIPELINE_TRANSFORMER_ROLE=wearables_transformer
dbt --quiet parse --vars '{"raw_schema": "raw"}' --project-dir dbt --profiles-dir dbt \
  --target-path "$PWD/dbt/target" --log-path /tmp/dbt-logs
find dbt/target -mindepth 1 ! -name partial_parse.msgpack -delete
test -s dbt/target/partial_parse.msgpack
chmod -R u=rwX,go=rX dbt/target
