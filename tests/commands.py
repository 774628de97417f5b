"""The command line in a process of its own."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from ingestion.config import ROOT, Settings


@contextmanager
def started(*arguments: str, **variables: str) -> Iterator[subprocess.Popen[str]]:
    """Start `python -m ingestion`, and kill it at the end of the block.

    Arguments:
        arguments: of the command line.
        variables: environment variables beside those of this process.

    """
    with subprocess.Popen(
        [sys.executable, "-m", "ingestion", *arguments],
        cwd=ROOT,
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def variables_of(settings: Settings) -> dict[str, str]:
    """Return the variables of an ingest with the manifest, with a test's database and landing zone."""
    assert settings.database is not None
    return {
        "DATABASE_URL": settings.database.dsn,
        "PIPELINE_DATA_DIR": settings.landing_zone,
        "PIPELINE_USE_MANIFEST": "1",
    }
