"""What archives have in them, in ops.archives, so that a run need not open those that it knows."""

from collections.abc import Iterable, Mapping
from typing import Any

from psycopg2.extras import Json

from ingestion import db
from ingestion.storage import ArchiveStorage, Members, Storage, archive_of

_queries = db.queries("archives")
_ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".xlsx")
# an entry of the primary key
_MOST_NAME_BYTES = 2_400


def query() -> db.Asked:
    """Return the query of what is known of archives, for `db.read_together`."""
    return _queries.known, {}


def as_folders(rows: Iterable[Mapping[str, Any]], loaded: Iterable[str], storage: Storage) -> ArchiveStorage:
    """Return a landing zone in which archives of many files are folders, with what is known of them.

    Arguments:
        rows: the rows of `query`.
        loaded: the names of the loaded files; an archive that was loaded as one file stays that.
        storage: the landing zone.

    """
    known = {row["source_filename"]: Members(row["source_version"], row["members"]) for row in rows}
    packed = frozenset(name for name in loaded if _is_packed(name))
    return ArchiveStorage(storage, known, packed)


def remember(connection: db.Connection, found: Mapping[str, Members]) -> None:
    """Record what archives have in them.

    Arguments:
        connection: in a transaction, which the caller commits.
        found: the members, by the names of the archives.

    """
    rows = sorted(item for item in found.items() if len(item[0].encode()) <= _MOST_NAME_BYTES)
    if rows:
        _queries.remember(
            connection,
            names=[name for name, _ in rows],
            versions=[members.version for _, members in rows],
            members=Json([dict(members.sizes) for _, members in rows]),
        )


def _is_packed(name: str) -> bool:
    return name.lower().endswith(_ARCHIVES) and archive_of(name) is None
