#!/usr/bin/env bash
# Creates the passwords and the erasure key that compose.prod.yaml mounts; keeps those that exist.
# Usage: scripts/make-secrets.sh [FOLDER]
#
# A file secret keeps the host's owner and mode in the container, where the pipeline runs as another user. So the files
# have mode 0444, and their folder 0700: on the host, only its owner can read them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

main() {
  local folder=${1:-secrets} name
  mkdir -p "$folder"
  chmod 0700 "$folder"
  for name in postgres_password pipeline_password reader_password erasure_key; do
    [[ -s $folder/$name ]] && continue
    python3 -c 'import secrets; print(secrets.token_urlsafe(32))' >"$folder/$name"
    chmod 0444 "$folder/$name"
    printf 'created %s\n' "$folder/$name"
  done
}

main "$@"
