#!/usr/bin/env bash
# Prints the version of the program, which ingestion/__init__.py states. Usage: scripts/version.sh
set -euo pipefail
sed -n 's/^__version__ = "\(.*\)"$/\1/p' "$(dirname "${BASH_SOURCE[0]}")/../ingestion/__init__.py"
