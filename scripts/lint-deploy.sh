#!/usr/bin/env bash
# Checks the Dockerfile, the compose files, the Kubernetes manifests and the workflows. It needs the tools of
# requirements/dev.txt, and no network, engine or cluster. Usage: scripts/lint-deploy.sh
#
#   KUBERNETES_VERSIONS   check the manifests against the schemas of these versions; default: "1.31 1.34 1.37"
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

PATH=$PWD/.venv/bin:$PATH

check() {
  printf '%s\n' "$1"
  shift
  "$@"
}

render_overlays() {
  local folder=$1 overlay
  for overlay in docker/kubernetes/base docker/kubernetes/overlays/*/; do
    kubectl kustomize "$overlay" >"$folder/$(basename "$overlay").yaml"
  done
  cp docker/kubernetes/*.example.yaml "$folder"
}

validate_manifests() {
  local folder version
  folder=$(mktemp -d)
  # shellcheck disable=SC2064  # $folder is local: expand it now
  trap "rm -rf '$folder'" RETURN
  render_overlays "$folder"
  for version in ${KUBERNETES_VERSIONS:-1.31 1.34 1.37}; do
    kubernetes-validate --strict --quiet --kubernetes-version "$version" "$folder"/*.yaml
  done
}

# The tags !reset and !override are not in the schema; only compose itself reads the production file.
validate_merged_compose() {
  if docker compose version >/dev/null 2>&1; then
    docker compose -f compose.prod.yaml --profile local-database config --quiet
  else
    echo "  skipped: docker compose is not installed"
  fi
}

# actionlint is not one of the locked pip packages; it runs where it is installed.
run_actionlint() {
  if command -v actionlint >/dev/null; then actionlint; else echo "  skipped: actionlint is not installed"; fi
}

main() {
  check "Dockerfile: hadolint" hadolint Dockerfile
  check "compose: schema" check-jsonschema --builtin-schema vendor.compose-spec compose.yaml
  check "compose: the merged production file" validate_merged_compose
  check "Kubernetes: kustomize, and the API schemas" validate_manifests
  check "workflows: schema" check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
  check "dependabot: schema" check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
  check "workflows: zizmor" zizmor --offline --no-progress --quiet --persona pedantic .github
  check "workflows: actionlint" run_actionlint
}

main "$@"
