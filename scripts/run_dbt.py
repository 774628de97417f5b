"""Run dbt on the database that `make run` uses. Usage: python -m scripts.run_dbt build --select marts."""

import os
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

from ingestion import embedded
from ingestion.config import Settings
from ingestion.transform import PROJECT_DIRECTORY


def main() -> int:
    """Run dbt with the arguments of the command line.

    Returns:
        The exit code of dbt.

    """
    settings = Settings.from_environment()
    with nullcontext(settings.database) if settings.database else embedded.server() as database:
        return subprocess.run(
            [str(Path(sys.executable).with_name("dbt")), *sys.argv[1:]],
            env={
                **os.environ,
                **database.environment,
                "DBT_PROJECT_DIR": str(PROJECT_DIRECTORY),
                "DBT_PROFILES_DIR": str(PROJECT_DIRECTORY),
            },
            check=False,
        ).returncode


if __name__ == "__main__":
    sys.exit(main())
