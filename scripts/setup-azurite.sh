#!/usr/bin/env bash
# Installs Azurite, the Azure emulator that the tests use, into .venv/azurite. Usage: scripts/setup-azurite.sh STAMP
#
# Touches STAMP when Azurite is installed. Without Node.js and npm it does nothing, and the tests of Azure are skipped;
# in CI that is an error.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly TARGET=.venv/azurite
stamp=${1:?usage: scripts/setup-azurite.sh STAMP}

if ! command -v npm >/dev/null || ! command -v node >/dev/null; then
  if [[ -n ${CI:-} ]]; then
    echo 'setup: the tests of Azure need Node.js and npm: run scripts/install-test-tools.sh' >&2
    exit 1
  fi
  exit 0
fi
mkdir -p "$TARGET"
cp tests/integration/storage/azurite/package.json tests/integration/storage/azurite/package-lock.json "$TARGET"
npm ci --prefix "$TARGET" --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null
touch "$stamp"
