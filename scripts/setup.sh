#!/usr/bin/env bash
# Creates .venv if necessary and installs a locked set of requirements into it. Usage: scripts/setup.sh local|dev
#
#   PYTHON   the interpreter for a new .venv; default: the first of python3 and python3.N that is 3.11 or newer
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'setup: %s\n' "$@" >&2; }

is_new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

find_python() {
  local candidate
  for candidate in "${PYTHON:-}" python3 python3.14 python3.13 python3.12 python3.11; do
    if [[ -n $candidate ]] && is_new_enough "$candidate"; then
      printf '%s\n' "$candidate"
      return
    fi
  done
  say "Python 3.11 or newer is required; found: $(python3 --version 2>/dev/null || echo 'no python3')." \
    "Install one (for example the packages python3.12 and python3.12-venv) or set PYTHON=/path/to/python."
  return 1
}

# Debian's Python lacks ensurepip, which venv needs.
ensure_venv_module() {
  local python=$1 package
  "$python" -c 'import ensurepip, venv' 2>/dev/null && return
  package=$("$python" -c 'import sys; print("python{}.{}-venv".format(*sys.version_info))')
  if [[ $EUID == 0 ]] && command -v apt-get >/dev/null; then
    say "installing the package $package ..."
    apt-get -qq update
    DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-install-recommends "$package" >/dev/null
  else
    say "$python cannot create virtual environments. Install the missing package, then try again:" \
      "  sudo apt-get update && sudo apt-get install --yes $package"
    return 1
  fi
}

main() {
  local requirements=requirements/$1.txt python
  if ! is_new_enough .venv/bin/python || ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    python=$(find_python)
    ensure_venv_module "$python"
    say "creating .venv with $("$python" --version) ..."
    "$python" -m venv --clear .venv
  fi
  say "installing $requirements (about a minute the first time) ..."
  .venv/bin/python -m pip install --quiet --quiet --disable-pip-version-check --no-input --require-hashes -r "$requirements"
  say "done in $SECONDS s"
}

main "${1:?usage: scripts/setup.sh local|dev}"
