#!/usr/bin/env bash
# Removes this clone's embedded database with all that is in it, after asking. Usage: FORCE=1 scripts/reset.sh
set -euo pipefail
cd "$(dirname "$0")/.."
data=.postgres

if [[ ! -d $data ]]; then
  echo "There is no embedded database here."
  exit 0
fi
if [[ ${FORCE:-} != 1 ]]; then
  read -r -p "Remove the embedded database in $data, with all data and run history? [y/N] " answer || answer=no
  if [[ $answer != [yY]* ]]; then
    echo "Nothing removed."
    exit 1
  fi
fi

# a run that was killed leaves its server behind
if [[ -r $data/postmaster.pid ]]; then
  read -r pid <"$data/postmaster.pid"
  if [[ $(cat "/proc/$pid/comm" 2>/dev/null) == postgres ]]; then
    kill -INT "$pid"
    while [[ -d /proc/$pid ]]; do sleep 0.1; done
  fi
fi
rm -rf "$data"
echo "Removed. The next make run starts from nothing."
