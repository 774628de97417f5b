"""Where drops come from.

A landing zone is listed and read through `Storage`; nothing else in the program knows what it is. An object store's
library is loaded only where one is named: a run on a directory does not wait for it.
"""

import re
from pathlib import Path

from ingestion.errors import ConfigurationError
from ingestion.storage.base import Storage, StoredFile, is_drop
from ingestion.storage.local import LocalStorage

__all__ = ["LocalStorage", "Storage", "StoredFile", "is_drop", "open_storage"]

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
    match = _URL.fullmatch(location)
    if match is None:
        return LocalStorage(Path(location))
    scheme, rest = match[1].lower(), match[2]
    if scheme == "file":
        return LocalStorage(Path(rest))
    if scheme not in _STORES:
        raise ConfigurationError(
            f"{scheme}:// is not a kind of landing zone",
            hint="Name a directory, s3://bucket/prefix, gs://bucket/prefix or az://container/prefix.",
        )
    from ingestion.storage.objects import ObjectStorage  # noqa: PLC0415  (the library costs 50 ms and 16 MB)
    from ingestion.storage.stores import connect  # noqa: PLC0415

    return ObjectStorage(connect(scheme, rest, timeout_seconds), timeout_seconds)
