#!/usr/bin/env bash
# Builds the image with its labels. Usage: scripts/build-image.sh [TAG] [docker build options…]
#
#   IMAGE_VERSION     default: the version of ingestion/__init__.py
#   IMAGE_SOURCE      default: the https address of the git remote `origin`, without credentials
#   PYTHON_IMAGE      default: the Dockerfile's base
#   PIP_CONFIG_FILE   a pip.conf for a registry of your own; used while building and kept in no layer
#   PIP_CERT          the certificates that pip trusts while building; kept in no layer
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

version() {
  sed -n 's/^__version__ = "\(.*\)"$/\1/p' ingestion/__init__.py
}

revision() {
  local commit
  commit=$(git rev-parse --verify --quiet HEAD) || {
    echo unknown
    return
  }
  if [[ -n $(git status --porcelain --untracked-files=no 2>/dev/null) ]]; then commit+=-dirty; fi
  echo "$commit"
}

# the commit's own time, so that the same commit gives the same labels
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
    --build-arg "VERSION=${IMAGE_VERSION:-$(version)}"
    --build-arg "REVISION=$(revision)"
    --build-arg "CREATED=$(created)"
    --build-arg "SOURCE=${IMAGE_SOURCE:-$(source_address)}"
  )
  # into the local engine, unless the caller pushes or exports
  if [[ " $* " != *" --push "* && " $* " != *" --output "* ]]; then options+=(--load); fi
  if [[ -n ${PYTHON_IMAGE:-} ]]; then options+=(--build-arg "PYTHON_IMAGE=$PYTHON_IMAGE"); fi
  if [[ -f ${PIP_CONFIG_FILE:-} ]]; then options+=(--secret "id=pip_config,src=$PIP_CONFIG_FILE"); fi
  if [[ -f ${PIP_CERT:-} ]]; then options+=(--secret "id=pip_cert,src=$PIP_CERT"); fi
  docker buildx build --tag "$tag" "${options[@]}" "$@" .
}

main "$@"
