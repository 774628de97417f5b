#!/bin/sh
# Takes out of the image's environment what a run never reads: the packages' own tests, type stubs, C sources and
# headers, numpy's Fortran bridge, and babel's locales other than English. Usage: docker/prune-venv.sh VENV
set -eu

site=$(echo "$1"/lib/python3.*/site-packages)
cd "$site"

# in dbt/include, folders of that name hold macros that a run needs
find . -path ./dbt/include -prune -o -type d \( -name tests -o -name test \) -prune -exec rm -rf {} +
find . -type d -name __pycache__ -prune -exec rm -rf {} +
find . -type f \( -name '*.pyi' -o -name '*.pyx' -o -name '*.pxd' -o -name '*.c' -o -name '*.h' -o -name '*.a' \) -delete
rm -rf numpy/f2py numpy/_core/include
find babel/locale-data -name '*.dat' ! -name 'root.dat' ! -name 'en.dat' ! -name 'en_US.dat' ! -name 'en_001.dat' \
  -delete
