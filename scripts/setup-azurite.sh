#!/usr/bin/env bash
# Installs Azurite, the Azure emulator of the tests, below .venv/. It needs node and npm.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly TARGET=.venv/azurite

if ! command -v npm >/dev/null || ! command -v node >/dev/null; then
  printf 'setup: %s\n' 'The tests of Azure need node and npm, and are skipped without them. To run them too:' \
    '  sudo apt-get install --yes --no-install-recommends nodejs npm && scripts/setup-azurite.sh' >&2
  # a bare machine goes on without them; CI does not
  if [[ -n ${CI:-} ]]; then exit 1; fi
  exit 0
fi
mkdir -p "$TARGET"
cp tests/integration/storage/azurite/package.json tests/integration/storage/azurite/package-lock.json "$TARGET"
npm ci --prefix "$TARGET" --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null
