#!/usr/bin/env bash
# Makes ingestion/report/static/vendor/ again from npm: the parts of Apache ECharts that the report draws with, and its licence.
# Newer versions: change scripts/echarts/package.json, then scripts/renew-echarts.sh --update. It needs node and npm.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly target=ingestion/report/static/vendor

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp scripts/echarts/package.json scripts/echarts/package-lock.json scripts/echarts/entry.js "$work"
cd "$work"
if [[ ${1:-} == --update ]]; then
  # without the address of the registry that happened to be asked
  npm update --omit-lockfile-registry-resolved --ignore-scripts --no-audit --no-fund --loglevel=error
  cp package-lock.json "$OLDPWD/scripts/echarts/"
else
  npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null
fi
# below: an inline script must not hold </script
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
  echo 'it holds </script and cannot be inside a page' >&2
  exit 1
fi
printf '%s: ECharts %s, %d bytes\n' "$target/echarts.js" "$version" "$(wc -c <"$target/echarts.js")"
