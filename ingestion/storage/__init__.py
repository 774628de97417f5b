"""Where drops come from.

A landing zone is listed and read through `Storage`; nothing else in the program knows what it is. An object store's
library is loaded only where one is named: a run on a directory does not wait for it.
"""

import re
from pathlib import Path

from ingestion.errors import ConfigurationError
from ingestion.storage.base import Storage, StoredFile, is_drop
from ingestion.storage.local import LocalStorage
from ingestion.storage.shelf import LocalShelf, Shelf

__all__ = ["LocalShelf", "LocalStorage", "Shelf", "Storage", "StoredFile", "is_drop", "open_shelf", "open_storage"]

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
_STORES = ("s3", "gs", "az")


def open_storage(location: str, *, timeout_seconds: float = 60.0) -> Storage:
    """Return the landing zone at a location.

    Arguments:
        location: the path of a directory, or s3://bucket/prefix, gs://bucket/prefix, az://container/prefix.
        timeout_seconds: how long an object store may fail, without a byte of progress, before it counts as down.

    Raises:
        ConfigurationError: there is no landing zone at that place.

    """
    place = _place(location, "landing zone")
    if isinstance(place, Path):
        return LocalStorage(place)
    from ingestion.storage.objects import ObjectStorage  # noqa: PLC0415  (the library costs 50 ms and 16 MB)
    from ingestion.storage.stores import connect  # noqa: PLC0415

    return ObjectStorage(connect(*place, timeout_seconds), timeout_seconds)


def open_shelf(location: str, *, timeout_seconds: float = 60.0) -> Shelf:
    """Return a place for finished files.

    Arguments:
        location: as for `open_storage`.
        timeout_seconds: likewise.

    Raises:
        ConfigurationError: that is no place.

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
            f"{scheme}:// is not a kind of {what}",
            hint="Name a directory, s3://bucket/prefix, gs://bucket/prefix or az://container/prefix.",
        )
    return scheme, rest
