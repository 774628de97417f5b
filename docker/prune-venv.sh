#!/bin/sh
# Deletes files that a run never reads from the image's environment: the packages' tests, type stubs, C sources and
# headers, numpy's Fortran bridge, and all of babel's locales except English. Usage: docker/prune-venv.sh VENV
set -eu

site=$(echo "$1"/lib/python3.*/site-packages)
cd "$site"

# In dbt/include, folders called tests contain macros that a run needs.
find . -path ./dbt/include -prune -o -type d \( -name tests -o -name test \) -prune -exec rm -rf {} +
find . -type d -name __pycache__ -prune -exec rm -rf {} +
find . -type f \( -name '*.pyi' -o -name '*.pyx' -o -name '*.pxd' -o -name '*.c' -o -name '*.h' -o -name '*.a' \) -delete
rm -rf numpy/f2py numpy/_core/include
find babel/locale-data -name '*.dat' ! -name 'root.dat' ! -name 'en.dat' ! -name 'en_US.dat' ! -name 'en_001.dat' \
  -delete
