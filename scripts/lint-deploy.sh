#!/usr/bin/env bash
# Checks the Dockerfile, the compose files, the Kubernetes manifests and the workflows, with the tools of
# requirements/dev.txt and without a network, an engine or a cluster. Usage: scripts/lint-deploy.sh
#
# KUBERNETES_VERSIONS: the versions whose schemas the manifests must fit (default: oldest and newest that we support)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

PATH=$PWD/.venv/bin:$PATH

check() {
  printf '%s\n' "$1"
  shift
  "$@"
}

rendered_overlays() {
  local folder=$1 overlay
  for overlay in docker/kubernetes/base docker/kubernetes/overlays/*/; do
    kubectl kustomize "$overlay" >"$folder/$(basename "$overlay").yaml"
  done
  cp docker/kubernetes/*.example.yaml "$folder"
}

kubernetes() {
  local folder version
  folder=$(mktemp -d)
  # shellcheck disable=SC2064  # the folder of now
  trap "rm -rf '$folder'" RETURN
  rendered_overlays "$folder"
  for version in ${KUBERNETES_VERSIONS:-1.31 1.34 1.37}; do
    kubernetes-validate --strict --quiet --kubernetes-version "$version" "$folder"/*.yaml
  done
}

# compose's own tags (!reset, !override) are beyond a YAML schema: compose itself reads the file
merged_compose() {
  if docker compose version >/dev/null 2>&1; then
    docker compose -f compose.prod.yaml --profile local-database config --quiet
  else
    echo "  (docker compose is not installed here)"
  fi
}

# actionlint is not among the pip packages that we lock; where a machine has it, it has its say
optional_actionlint() {
  if command -v actionlint >/dev/null; then actionlint; else echo "  (actionlint is not installed here)"; fi
}

main() {
  check "Dockerfile: hadolint" hadolint Dockerfile
  check "compose: schema" check-jsonschema --builtin-schema vendor.compose-spec compose.yaml
  check "compose: the merged production file" merged_compose
  check "Kubernetes: kustomize, and the schemas of its API" kubernetes
  check "workflows: schema" check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
  check "dependabot: schema" check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
  check "workflows: zizmor" zizmor --offline --no-progress --quiet --persona pedantic .github
  check "workflows: actionlint" optional_actionlint
}

main "$@"
