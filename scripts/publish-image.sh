#!/usr/bin/env bash
# Builds and pushes a release with provenance and an SBOM, which are attached to the image in the registry. From the
# environment: IMAGE_NAME (registry, path and name, without a tag), IMAGE_VERSION (such as v1.2.3), IMAGE_SOURCE,
# REGISTRY_USER and REGISTRY_PASSWORD. DRY_RUN=1 prints the commands.
#
#   docker buildx imagetools inspect IMAGE --format '{{json .Provenance}}'    and {{json .SBOM}} show them afterwards
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

run() {
  if [[ ${DRY_RUN:-} == 1 ]]; then
    printf '%s ' "$@"
    printf '\n'
  else
    "$@"
  fi
}

main() {
  local name=${IMAGE_NAME:?registry, path and name of the image} tag=${IMAGE_VERSION:?such as v1.2.3}
  local program
  program=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' ingestion/__init__.py)
  if [[ ${tag#v} != "$program" ]]; then
    printf 'publish: the tag %s is not the version of ingestion/__init__.py, %s\n' "$tag" "$program" >&2
    exit 65
  fi
  if [[ -n ${REGISTRY_PASSWORD:-} ]]; then
    run docker login --username "${REGISTRY_USER:?}" --password-stdin "${name%%/*}" <<<"$REGISTRY_PASSWORD"
  fi
  # attestations need a builder of their own: the engine's default store cannot hold them
  run docker buildx create --name wearables-publish --driver docker-container --use
  export IMAGE_VERSION=${tag#v}
  run scripts/build-image.sh "$name:${tag#v}" --tag "$name:latest" --provenance=mode=max --sbom=true --push
}

main "$@"
