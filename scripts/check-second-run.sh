#!/usr/bin/env bash
# Runs an image on sample_data/ twice and checks that the second run loads nothing.
# Usage: scripts/check-second-run.sh [IMAGE]
#
#   DATABASE_URL or PGHOST, PGPORT, PGDATABASE, PGUSER, PGPASSWORD   the database
#   NETWORK                                                          the container's network; default: host
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

image=${1:-wearables-pipeline:latest}

in_container() {
  docker run --rm --read-only --tmpfs /tmp:size=256m,mode=1777 --cap-drop ALL --security-opt no-new-privileges:true \
    --network "${NETWORK:-host}" --volume "$PWD/sample_data:/data_lake:ro" \
    --env PGHOST --env PGPORT --env PGDATABASE --env PGUSER --env PGPASSWORD --env DATABASE_URL \
    --env PIPELINE_USE_MANIFEST=1 --env PIPELINE_LOG_FORMAT=json "$image" "$@"
}

# Prints the rows of each table and the files of each status.
print_loaded() {
  in_container python -c '
import psycopg2
with psycopg2.connect("") as connection, connection.cursor() as cursor:
    for table in ("raw.daily_activity", "raw.sleep"):
        cursor.execute(f"select count(*), max(_loaded_at) from {table}")
        print(table, *cursor.fetchone())
    cursor.execute("select status, count(*) from ops.raw_ingest_manifest group by 1 order by 1")
    print(*cursor.fetchall())
'
}

main() {
  local first second
  in_container run
  first=$(print_loaded)
  in_container run
  second=$(print_loaded)
  printf '%s\n' "$second"
  if [[ $first != "$second" ]]; then
    printf 'check-second-run: the second run changed the loaded rows; after the first run:\n%s\n' "$first" >&2
    exit 1
  fi
  if grep -q '^raw\.daily_activity 0 ' <<<"$second"; then
    printf 'check-second-run: neither run loaded any rows\n' >&2
    exit 1
  fi
}

main
