#!/usr/bin/env bash
# Checks the size, user, labels and contents of an image, and that it contains no secrets.
# Usage: scripts/check-image.sh [IMAGE]
#
#   MAX_MEGABYTES   the largest uncompressed size; default 400
set -euo pipefail

image=${1:-wearables-pipeline:latest}
failures=0

ok() { printf 'ok      %s\n' "$*"; }
bad() {
  printf 'FAILED  %s\n' "$*"
  failures=$((failures + 1))
}

inspect() { docker image inspect --format "$1" "$image"; }

# in_image COMMAND...: run the command as root in the image, without a network
in_image() { docker run --rm --network none --user 0 --entrypoint '' "$image" "$@"; }

check_size() {
  local bytes limit=${MAX_MEGABYTES:-400}
  bytes=$(inspect '{{.Size}}')
  if ((bytes < limit * 1000000)); then ok "$((bytes / 1000000)) MB, less than $limit"; else
    bad "$((bytes / 1000000)) MB, limit $limit"
  fi
}

check_user() {
  local user
  user=$(inspect '{{.Config.User}}')
  if [[ ${user%%:*} =~ ^[0-9]+$ ]] && ((${user%%:*} >= 10000)); then ok "user $user"; else
    bad "user '$user' is not a number of 10000 or more"
  fi
}

check_labels() {
  local name value
  for name in version revision created source; do
    value=$(inspect "{{index .Config.Labels \"org.opencontainers.image.$name\"}}")
    if [[ -n $value ]]; then ok "label $name: $value"; else bad "no label $name"; fi
  done
}

# Names of settings such as PGPASSWORD_FILE are allowed; values, and addresses with credentials, are not.
check_secrets() {
  local text found
  text=$(
    inspect '{{json .Config}}'
    docker image history --no-trunc --format '{{.CreatedBy}}' "$image"
  )
  found=$(grep -oiE '(://[^/@ ]+:[^/@ ]+@)|((password|passwd|token|secret|api_?key)[a-z_]*=[^ "$]+)|BEGIN [A-Z ]*PRIVATE KEY' \
    <<<"$text" || true)
  if [[ -z $found ]]; then ok "no secret in the history or the configuration"; else bad "possible secret: $found"; fi
  found=$(in_image find / -xdev \( -name 'pip.conf' -o -name '.netrc' -o -name '.pypirc' -o -name '*.pem' -path '/app/*' \
    -o -name '.env' -o -name '.pgpass' -o -path '/app/secrets' \) -not -path '/proc/*')
  if [[ -z $found ]]; then ok "no credential file"; else bad "credential files: $found"; fi
}

check_content() {
  local found
  found=$(in_image find /usr/bin /usr/local/bin -name gcc -o -name cc -o -name make -o -name git)
  if [[ -z $found ]]; then ok "no compiler"; else bad "build tools: $found"; fi
  found=$(in_image find /opt/venv /app -type d \( -name tests -o -name test \) \
    -not -path '/app/dbt/*' -not -path '*/site-packages/dbt/include/*')
  if [[ -z $found ]]; then ok "no tests"; else bad "folders of tests: $found"; fi
  found=$(in_image sh -c 'find /root /tmp /var/cache/apt /var/lib/apt/lists -type f -size +200k; find / -xdev -type d -path "*/.cache/pip"')
  if [[ -z $found ]]; then ok "no caches"; else bad "caches: $found"; fi
  found=$(in_image find /app /opt/venv \( -perm -0002 -o -perm -4000 -o -perm -2000 \) -not -type l)
  if [[ -z $found ]]; then ok "nothing writable or setuid in /app and /opt/venv"; else bad "modes: $found"; fi
}

main() {
  check_size
  check_user
  check_labels
  check_secrets
  check_content
  if ((failures > 0)); then
    printf 'check-image: %s failed %d checks\n' "$image" "$failures" >&2
    exit 1
  fi
}

main
