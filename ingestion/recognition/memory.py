"""ops.recognised_files: what files were recognised as, so that unchanged ones are not opened again."""

import hashlib
from collections.abc import Mapping
from functools import cache, lru_cache

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
# of one statement
_MOST_ROWS = 5_000


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
        known = self._new.get(file.name) or self._known.get(file.name)
        return known[1] if known and known[0] == _version(file) else None

    def add(self, file: StoredFile, found: Recognition) -> None:
        """Remember what a file is.

        Arguments:
            file: the file, as listed.
            found: what it is.

        """
        self._new[file.name] = _version(file), found

    @property
    def has_news(self) -> bool:
        """Whether something was added since the last `write`."""
        return bool(self._new)

    def write(self, connection: db.Connection) -> None:
        """Write what was added to the database.

        Arguments:
            connection: in a transaction, which the caller commits.

        """
        rows = sorted(
            (name, version, found)
            for name, (version, found) in self._new.items()
            if len(name.encode()) <= _MOST_NAME_BYTES
        )
        for begin in range(0, len(rows), _MOST_ROWS):
            names, versions, found = zip(*rows[begin : begin + _MOST_ROWS], strict=True)
            _queries.remember(
                connection,
                names=list(names),
                versions=list(versions),
                found=Json(list(map(_stored, found))),
                declarations=fingerprint(),
            )
        self._new.clear()


@cache
def fingerprint() -> str:
    """Return a digest of the declarations and of the rules that recognise files by them."""
    return hashlib.sha256(f"{_RULES} {declared()!r}".encode()).hexdigest()


def _version(file: StoredFile) -> str:
    return f"{file.size} {file.version}"


# most files of a landing zone are the same
@lru_cache(maxsize=256)
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
