"""What archives have in them, in ops.archives, so that a run need not open those that it knows."""

from collections.abc import Mapping

from psycopg2.extras import Json

from ingestion import db
from ingestion.storage import ArchiveStorage, Members, Storage

_queries = db.queries("archives")
# an entry of the primary key
_MOST_NAME_BYTES = 2_400


def as_folders(connection: db.Connection, target_schema: str, storage: Storage) -> ArchiveStorage:
    """Return a landing zone in which archives of many files are folders, with what is known of them.

    Arguments:
        connection: any connection.
        target_schema: the schema of the raw tables.
        storage: the landing zone.

    """
    known = {row.source_filename: Members(row.source_version, row.members) for row in _queries.known(connection)}
    packed = frozenset(row.source_filename for row in _queries.packed(connection, target_schema=target_schema))
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


def duplicate_versions(connection: db.Connection, target_schema: str) -> dict[tuple[str, str], str]:
    """Return the checksums of duplicates, by their names and strong version tokens.

    A later archive has the members of the earlier one: without this, each run would read them again.

    Arguments:
        connection: any connection.
        target_schema: the schema of the raw tables.

    """
    return {
        (row.source_filename, row.source_version): row.checksum
        for row in _queries.duplicate_versions(connection, target_schema=target_schema)
    }
