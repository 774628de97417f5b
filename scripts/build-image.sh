#!/usr/bin/env bash
# Builds the image and sets its labels. Usage: scripts/build-image.sh [TAG] [OPTIONS of docker buildx build]
#
#   IMAGE_VERSION     the version label; default: the program's version
#   IMAGE_SOURCE      the source label; default: the https address of the git remote `origin`, without credentials
#   PYTHON_IMAGE      the base image; default: the one in the Dockerfile
#   PIP_CONFIG_FILE   a pip.conf for a package registry of your own; it is a build secret and stays in no layer
#   PIP_CERT          certificates for pip to trust; a build secret too
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

revision() {
  local commit
  commit=$(git rev-parse --verify --quiet HEAD) || {
    echo unknown
    return
  }
  if [[ -n $(git status --porcelain --untracked-files=no 2>/dev/null) ]]; then commit+=-dirty; fi
  echo "$commit"
}

# The time of the commit, so that one commit always gets the same labels.
created() {
  TZ=UTC git log -1 --date='format-local:%Y-%m-%dT%H:%M:%SZ' --format=%cd 2>/dev/null || date -u +%Y-%m-%dT%H:%M:%SZ
}

source_address() {
  local address
  address=$(git config --get remote.origin.url || true)
  case $address in
    https://*) sed 's#//[^/@]*@#//#; s#\.git$##' <<<"$address" ;;
    *) echo unknown ;;
  esac
}

main() {
  local tag=wearables-pipeline:latest
  if (($# > 0)) && [[ $1 != -* ]]; then
    tag=$1
    shift
  fi
  local options=(
    --build-arg "VERSION=${IMAGE_VERSION:-$(scripts/version.sh)}"
    --build-arg "REVISION=$(revision)"
    --build-arg "CREATED=$(created)"
    --build-arg "SOURCE=${IMAGE_SOURCE:-$(source_address)}"
  )
  # Load the image into the local engine unless the caller pushes or exports it.
  if [[ " $* " != *" --push "* && " $* " != *" --output "* ]]; then options+=(--load); fi
  if [[ -n ${PYTHON_IMAGE:-} ]]; then options+=(--build-arg "PYTHON_IMAGE=$PYTHON_IMAGE"); fi
  if [[ -f ${PIP_CONFIG_FILE:-} ]]; then options+=(--secret "id=pip_config,src=$PIP_CONFIG_FILE"); fi
  if [[ -f ${PIP_CERT:-} ]]; then options+=(--secret "id=pip_cert,src=$PIP_CERT"); fi
  docker buildx build --tag "$tag" "${options[@]}" "$@" .
}

main "$@"
