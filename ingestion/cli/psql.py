"""`psql`: open psql on the pipeline's database."""

import argparse
import os
import shutil
import subprocess

from ingestion import embedded
from ingestion.config import Settings
from ingestion.errors import ConfigurationError


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Run psql, and return its exit code.

    Arguments:
        arguments: its arguments.
        settings: the settings, with a database.

    """
    # psql of the embedded server has its version; that of the machine may be older
    psql = embedded.psql() or shutil.which("psql")
    if psql is None:
        raise ConfigurationError("psql is not installed", hint="Install postgresql-client.")
    environment = {**os.environ, **settings.known_database.environment}
    return subprocess.run([psql, *arguments.psql_arguments], env=environment, check=False).returncode
