#!/usr/bin/env bash
# Builds ingestion/report/static/vendor/ from npm: the parts of Apache ECharts that the report uses, and its licence.
# Needs Node.js and npm. Usage: scripts/renew-echarts.sh [--update]
#
#   --update   take newer versions, within the ranges of scripts/echarts/package.json
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly target=ingestion/report/static/vendor

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp scripts/echarts/package.json scripts/echarts/package-lock.json scripts/echarts/entry.js "$work"
cd "$work"
if [[ ${1:-} == --update ]]; then
  # The lock file must not name the registry of this machine.
  npm update --omit-lockfile-registry-resolved --ignore-scripts --no-audit --no-fund --loglevel=error
  cp package-lock.json "$OLDPWD/scripts/echarts/"
else
  npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null
fi
npx esbuild entry.js --bundle --minify --format=iife --global-name=echarts --target=es2022 --legal-comments=none \
  --log-level=warning --outfile=echarts.js
version=$(node --print 'require("echarts/package.json").version')
cd "$OLDPWD"
mkdir -p "$target"
{
  printf '/*! Apache ECharts %s, Copyright The Apache Software Foundation; ZRender (BSD-3-Clause) and tslib (0BSD) are in it. See LICENSE.echarts */\n' "$version"
  cat "$work/echarts.js"
} >"$target/echarts.js"
cat "$work/node_modules/echarts/LICENSE" - "$work/node_modules/echarts/NOTICE" - "$work/node_modules/zrender/LICENSE" \
  <<<$'\n----\n' >"$target/LICENSE.echarts"
if grep -q '</script' "$target/echarts.js"; then
  echo "renew-echarts: $target/echarts.js contains </script, which would end the report's inline script" >&2
  exit 1
fi
printf '%s: ECharts %s, %d bytes\n' "$target/echarts.js" "$version" "$(wc -c <"$target/echarts.js")"
