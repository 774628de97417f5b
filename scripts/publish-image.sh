#!/usr/bin/env bash
# Builds a release and pushes it with its provenance and SBOM. Usage: scripts/publish-image.sh
#
#   IMAGE_NAME          registry, path and name of the image, without a tag
#   IMAGE_VERSION       the git tag, such as v1.2.3; must be the program's version
#   IMAGE_SOURCE        the address of the repository
#   REGISTRY_USER, REGISTRY_PASSWORD   the login; without a password there is none
#   DRY_RUN=1           print the commands instead of running them
#
# Afterwards: docker buildx imagetools inspect IMAGE --format '{{json .Provenance}}' (or '{{json .SBOM}}')
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
  local name=${IMAGE_NAME:?set it to the registry, path and name of the image} tag=${IMAGE_VERSION:?set it to the git tag, such as v1.2.3}
  local version
  version=$(scripts/version.sh)
  if [[ ${tag#v} != "$version" ]]; then
    printf 'publish-image: the tag is %s and ingestion/__init__.py says %s: tag the commit with v%s\n' \
      "$tag" "$version" "$version" >&2
    exit 65
  fi
  if [[ -n ${REGISTRY_PASSWORD:-} ]]; then
    run docker login --username "${REGISTRY_USER:?}" --password-stdin "${name%%/*}" <<<"$REGISTRY_PASSWORD"
  fi
  # The engine's default image store cannot hold attestations, so this needs a builder.
  run docker buildx create --name wearables-publish --driver docker-container --use
  export IMAGE_VERSION=${tag#v}
  run scripts/build-image.sh "$name:${tag#v}" --tag "$name:latest" --provenance=mode=max --sbom=true --push
}

main "$@"
