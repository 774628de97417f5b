#!/usr/bin/env bash
# Tells a Citus coordinator its own name and those of its workers, under which the nodes find each other. To repeat it
# changes nothing. The PG variables name the coordinator's database. Usage: docker/citus/join-nodes.sh COORDINATOR WORKER...
set -euo pipefail

{
  echo "select citus_set_coordinator_host('$1');"
  for worker in "${@:2}"; do echo "select citus_add_node('$worker', 5432);"; done
} | psql --no-psqlrc --quiet --tuples-only --set ON_ERROR_STOP=1 --output /dev/null
