#!/usr/bin/env bash
# Resolves pyproject.toml into the hash-locked files of requirements/. Usage: scripts/lock.sh [--upgrade]
set -euo pipefail
cd "$(dirname "$0")/.."

lock() {
  local name=$1
  shift
  uv pip compile pyproject.toml --universal --no-strip-extras --generate-hashes --quiet \
    --custom-compile-command 'make lock' --output-file "requirements/$name.txt" "$@"
}

lock runtime "$@"
lock local --constraint requirements/runtime.txt --group local "$@"
lock dev --constraint requirements/local.txt --group dev "$@"

# The benchmark's other tools have conflicting requirements, so this set has no constraints.
uv pip compile --group bench --universal --no-strip-extras --generate-hashes --quiet \
  --custom-compile-command 'make lock' --output-file requirements/bench.txt "$@"
