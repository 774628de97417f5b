"""The way back into the environment, for libraries that take their settings from nowhere else."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager


@contextmanager
def exported(variables: Mapping[str, str]) -> Iterator[None]:
    """Put variables into the environment of this process until the block ends.

    Arguments:
        variables: the variables to add or replace.

    """
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
