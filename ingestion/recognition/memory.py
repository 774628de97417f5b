"""ops.recognised_files: what files were recognised as, so that unchanged ones are not opened again."""

import hashlib
from collections.abc import Mapping
from functools import cache

from psycopg2.extras import Json

from ingestion import db
from ingestion.recognition.matching import Match, Recognition
from ingestion.sources import declared
from ingestion.storage import StoredFile

_queries = db.queries("recognition")
# changes with the rules, so that files are looked at again
_RULES = "1"
# an entry of the primary key
_MOST_NAME_BYTES = 2_400


class Memory:
    """What files were recognised as under the present declarations. One thread at a time may use it.

    Arguments:
        known: what the database has, by the files' names: the version token, and what the file is.

    """

    def __init__(self, known: Mapping[str, tuple[str, Recognition]] | None = None) -> None:
        self._known = dict(known or {})
        self._new: dict[str, tuple[str, Recognition]] = {}

    @classmethod
    def read(cls, connection: db.Connection) -> "Memory":
        """Return what the database has.

        Arguments:
            connection: any connection.

        """
        by_name = {dataset.name: dataset for dataset in declared()}
        known = {}
        for row in _queries.recognised_files(connection, declarations=fingerprint()):
            matches = (
                Match(
                    dataset := by_name[each["dataset"]], tuple(dataset.layouts[n] for n in each["layouts"]), each["by"]
                )
                for each in row.matches
            )
            known[row.source_filename] = row.source_version, Recognition(tuple(matches), row.reason, row.hint)
        return cls(known)

    def recall(self, file: StoredFile) -> Recognition | None:
        """Return what a file in this state was recognised as, None where it was not looked at.

        Arguments:
            file: the file, as listed.

        """
        version, found = self._known.get(file.name, ("", None))
        return found if version == _version(file) else None

    def add(self, file: StoredFile, found: Recognition) -> None:
        """Remember what a file is.

        Arguments:
            file: the file, as listed.
            found: what it is.

        """
        self._known[file.name] = self._new[file.name] = _version(file), found

    def write(self, connection: db.Connection) -> None:
        """Write what was added to the database.

        Arguments:
            connection: in a transaction, which the caller commits.

        """
        rows = sorted(item for item in self._new.items() if len(item[0].encode()) <= _MOST_NAME_BYTES)
        if rows:
            _queries.remember(
                connection,
                names=[name for name, _ in rows],
                versions=[version for _, (version, _) in rows],
                found=Json([_stored(found) for _, (_, found) in rows]),
                declarations=fingerprint(),
            )
        self._new.clear()


@cache
def fingerprint() -> str:
    """Return a digest of the declarations and of the rules that recognise files by them."""
    return hashlib.sha256(f"{_RULES} {declared()!r}".encode()).hexdigest()


def _version(file: StoredFile) -> str:
    return f"{file.size} {file.version}"


def _stored(found: Recognition) -> dict[str, object]:
    matches = [
        {
            "dataset": match.dataset.name,
            "layouts": [match.dataset.layouts.index(layout) for layout in match.layouts],
            "by": match.by,
        }
        for match in found.matches
    ]
    return {"matches": matches, "reason": found.reason, "hint": found.hint}
