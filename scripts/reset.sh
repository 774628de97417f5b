#!/usr/bin/env bash
# Deletes the embedded database of this clone after a question. Usage: [FORCE=1] scripts/reset.sh
set -euo pipefail
cd "$(dirname "$0")/.."
data=.postgres

if [[ ! -d $data ]]; then
  echo "There is no embedded database in this clone."
  exit 0
fi
if [[ ${FORCE:-} != 1 ]]; then
  read -r -p "Delete the embedded database in $data with all data and the history of runs? [y/N] " answer || answer=no
  if [[ $answer != [yY]* ]]; then
    echo "Nothing was deleted."
    exit 1
  fi
fi

# A killed run leaves its server running.
if [[ -r $data/postmaster.pid ]]; then
  read -r pid <"$data/postmaster.pid"
  if [[ $(cat "/proc/$pid/comm" 2>/dev/null) == postgres ]]; then
    kill -INT "$pid"
    while [[ -d /proc/$pid ]]; do sleep 0.1; done
  fi
fi
rm -rf "$data"
echo "Deleted. The next make run creates a new database."
