"""How to load a landing zone."""

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True)
class Plan:
    """How to load a landing zone.

    Arguments:
        schema: the schema of the raw tables. Those of another schema than `raw` are created like those of `raw`.
        use_manifest: load each content once. Otherwise replace the rows of every dataset that has a file.
        force: load files again that are loaded, and replace their rows.
        only: the names of the files to look at; empty means all.
        since: ignore files last written before this time.
        archive: with the manifest, move loaded files into a hidden folder of the landing zone.
        min_age_seconds: leave files written more recently than this to the next run: they may still grow.
        workers: how many files to load at the same time, each on a connection of its own.
        dry_run: do everything in one transaction, and roll it back.
        erasure_key: the secret that the ids of erased participants were hashed with; see `retraction`.

    """

    schema: str = "raw"
    use_manifest: bool = True
    force: bool = False
    only: frozenset[str] = frozenset()
    since: datetime | None = None
    archive: bool = False
    min_age_seconds: float = 0.0
    workers: int = 1
    dry_run: bool = False
    erasure_key: str | None = field(default=None, repr=False)
