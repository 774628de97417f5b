"""Landing zones, and places for reports: a directory or an object store.

The rest of the program uses `Storage` and `Shelf`, and does not know which of the two it is.
"""

import re
from pathlib import Path

from ingestion.errors import ConfigurationError
from ingestion.storage.base import Storage, StoredFile, is_loadable
from ingestion.storage.folders import ArchiveStorage, Members, archive_of, is_inside
from ingestion.storage.local import LocalStorage
from ingestion.storage.read_once import ReadOnceStorage
from ingestion.storage.shelf import LocalShelf, Shelf

__all__ = [
    "ArchiveStorage",
    "LocalShelf",
    "LocalStorage",
    "Members",
    "ReadOnceStorage",
    "Shelf",
    "Storage",
    "StoredFile",
    "archive_of",
    "is_inside",
    "is_loadable",
    "open_shelf",
    "open_storage",
]

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
_STORES = ("s3", "gs", "az")


def open_storage(location: str, *, timeout_seconds: float = 60.0) -> Storage:
    """Return the landing zone at a location.

    Arguments:
        location: the path of a directory, or s3://bucket/prefix, gs://bucket/prefix, az://container/prefix.
        timeout_seconds: how long an object store may fail without any progress.

    Raises:
        ConfigurationError: there is no landing zone at that location.

    """
    place = _place(location, "landing zone")
    if isinstance(place, Path):
        return LocalStorage(place)
    from ingestion.storage.objects import ObjectStorage  # noqa: PLC0415  (the library costs 50 ms and 16 MB)
    from ingestion.storage.stores import connect  # noqa: PLC0415

    return ObjectStorage(connect(*place, timeout_seconds), timeout_seconds)


def open_shelf(location: str, *, timeout_seconds: float = 60.0) -> Shelf:
    """Return the place for reports at a location.

    Arguments:
        location: as for `open_storage`.
        timeout_seconds: as for `open_storage`.

    Raises:
        ConfigurationError: the URL has an unknown scheme.

    """
    place = _place(location, "place for reports")
    if isinstance(place, Path):
        return LocalShelf(place)
    from ingestion.storage.object_shelf import ObjectShelf  # noqa: PLC0415
    from ingestion.storage.stores import connect  # noqa: PLC0415

    return ObjectShelf(connect(*place, timeout_seconds), timeout_seconds)


def _place(location: str, what: str) -> Path | tuple[str, str]:
    match = _URL.fullmatch(location)
    if match is None:
        return Path(location)
    scheme, rest = match[1].lower(), match[2]
    if scheme == "file":
        return Path(rest)
    if scheme not in _STORES:
        raise ConfigurationError(
            f"{scheme}:// is not supported as a {what}",
            hint="Use a directory, s3://bucket/prefix, gs://bucket/prefix or az://container/prefix.",
        )
    return scheme, rest
