#!/usr/bin/env bash
# Makes the passwords, and the key of `erase`, that compose.prod.yaml mounts, where they are missing. Usage: scripts/make-secrets.sh [FOLDER]
#
# A file secret keeps the host's owner and mode inside a container, and the pipeline runs as another user: the files are
# 0444, the folder 0700, so that on the host only its owner gets at them.
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
    printf 'made %s\n' "$folder/$name"
  done
}

main "$@"
