#!/usr/bin/env bash
# Installs the programs that some tests need and pip cannot provide: Chromium for the report, Node.js and npm for the
# Azure emulator. For Debian and Ubuntu; uses sudo unless it runs as root. Usage: scripts/install-test-tools.sh [PACKAGE...]
#
# PACKAGE: Debian packages to install as well, when no program of that name is on PATH
set -euo pipefail

is_installed() {
  local program
  for program in "$@"; do
    if command -v "$program" >/dev/null; then return; fi
  done
  return 1
}

missing_packages() {
  local package
  for package in npm "$@"; do is_installed "$package" || echo "$package"; done
  is_installed node || echo nodejs
  is_installed chromium chromium-browser google-chrome || echo chromium
}

main() {
  local packages administrator=()
  mapfile -t packages < <(missing_packages "$@")
  if ((${#packages[@]} == 0)); then return; fi
  if ! command -v apt-get >/dev/null; then
    printf 'install-test-tools: there is no apt-get here. Install these with the package manager of your system: %s\n' \
      "${packages[*]}" >&2
    return 1
  fi
  if [[ $EUID != 0 ]]; then administrator=(sudo); fi
  "${administrator[@]}" apt-get -qq update
  "${administrator[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get -qq install --yes --no-install-recommends "${packages[@]}" >/dev/null
}

main "$@"
