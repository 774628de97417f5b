"""A landing zone in an object store.

Every read is conditional on the etag that the list gave, the first request and those that take up a broken one: what
is read is one state of the object, whole, or the file is refused. Retries are made here and not by the library: with a
pause that a signal can end, from the byte where the last one broke off, and for a bounded time.
"""

import hashlib
import io
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol, cast

from obstore.exceptions import AlreadyExistsError, GenericError, InvalidPathError

from ingestion import log
from ingestion.errors import BadDataError, FileRefusedError, StorageUnavailableError
from ingestion.storage.base import StoredFile, changed, is_drop, other_bytes
from ingestion.storage.faults import STORE_ERRORS, DeniedError, Patience, Place, may_not_read

if TYPE_CHECKING:
    from obstore import GetOptions, ObjectMeta
    from obstore.store import AzureStore, GCSStore, S3Store

    Store = S3Store | GCSStore | AzureStore

_CHUNK_BYTES = 1 << 18
_PAGE = 1000
# above this an upload goes in parts, without holding the file in memory
_WHOLE_BYTES = 32 << 20
_PART_BYTES = 8 << 20


_Names = list[str]


class _Buffer(Protocol):
    def __buffer__(self, flags: int, /) -> memoryview: ...
    def __len__(self) -> int: ...


@dataclass(frozen=True)
class Connection:
    """A store, and how to speak of it.

    Arguments:
        store: makes every request once.
        writer: makes the same, for uploads in parts: there the library itself repeats a part.
        place: for messages.

    """

    store: "Store"
    writer: Callable[[], "Store"]
    place: Place


class ObjectStorage:
    """A bucket or container, or a prefix in one.

    Arguments:
        connection: to it.
        timeout_seconds: how long it may fail, without a byte of progress, before it counts as down.

    """

    def __init__(self, connection: Connection, timeout_seconds: float) -> None:
        self._connection = connection
        self._store = connection.store
        self._timeout_seconds = timeout_seconds

    def list(self) -> Iterator[StoredFile]:
        for meta in self._flat():
            if _is_shown(meta):
                yield _describe(meta)

    def open(self, file: StoredFile) -> BinaryIO:
        try:
            return cast("BinaryIO", _ObjectStream(self._store, file, self._patience()))
        except DeniedError as exc:
            raise may_not_read(exc) from exc

    def is_unchanged(self, file: StoredFile) -> bool:
        # each response to a read of it bore this etag
        return file.is_strong or _describe(self._patience().insist(partial(self._store.head, file.name))) == file

    @property
    def can_archive(self) -> bool:
        return False  # no store moves an object on the condition that it is still the same

    def archive(self, file: StoredFile, checksum: str) -> bool:  # noqa: ARG002
        return False

    def is_archived(self, name: str, checksum: str) -> bool:  # noqa: ARG002
        return False

    def add(self, name: str, path: Path, checksum: str) -> bool:
        if path.stat().st_size > _WHOLE_BYTES:
            return self._add_in_parts(name, path, checksum)
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest() != checksum:
            raise changed()

        def put() -> bool:
            try:
                self._store.put(name, content, mode="create")
            except AlreadyExistsError:
                return False
            return True

        if self._patience().insist(put):
            return True
        # or it was put by an attempt whose answer was lost
        self._check_is(name, checksum)
        return False

    def _add_in_parts(self, name: str, path: Path, checksum: str) -> bool:
        """Upload in parts, of which stores do not all know a conditional form: but the name says what it holds."""

        def is_there() -> bool:
            try:
                self._store.head(name)
            except FileNotFoundError:
                return False
            return True

        if self._patience().insist(is_there):
            self._check_is(name, checksum)
            return False
        self._patience().insist(
            lambda: self._connection.writer().put(
                name, _parts(path, checksum), use_multipart=True, chunk_size=_PART_BYTES, max_concurrency=4
            )
        )
        return True

    def _check_is(self, name: str, checksum: str) -> None:
        file = _describe(self._patience().insist(partial(self._store.head, name)))
        digest = hashlib.sha256()
        with self.open(file) as stream:
            while chunk := stream.read(_CHUNK_BYTES):
                digest.update(chunk)
        if digest.hexdigest() != checksum:
            raise other_bytes(name)

    def _flat(self) -> Iterator["ObjectMeta"]:
        """Yield all objects, a page in memory at a time, and go on behind the last one after a failure."""
        patience = self._patience()
        last: str | None = None
        is_sorted = True
        while True:
            resumed_behind = last
            began = time.monotonic()
            try:
                for page in self._store.list(offset=last, chunk_size=_PAGE):
                    patience.progress()
                    for meta in page:
                        # not every store begins where it is asked to
                        if resumed_behind is None or meta["path"] > resumed_behind:
                            is_sorted = is_sorted and (last is None or meta["path"] > last)
                            last = meta["path"]
                            yield meta
                    began = time.monotonic()
            except InvalidPathError as exc:
                yield from self._around_unreadable_names(last, exc)
            except STORE_ERRORS as exc:
                patience.wait(exc, began)
                if not is_sorted:
                    raise StorageUnavailableError(
                        f"{self._connection.place.url} failed while it was listed, and lists in no order",
                        hint="Run again: what was loaded stays loaded.",
                    ) from exc
                continue
            return

    def _around_unreadable_names(self, last: str | None, exc: InvalidPathError) -> Iterator["ObjectMeta"]:
        """Yield what is left, folder by folder: a name that no path can have spoils the list of its folder only."""
        log.event(f"{self._connection.place.url}: some names cannot be read; listing folder by folder")
        spoilt: _Names = []
        for meta in self._folder(None, spoilt):
            if last is None or meta["path"] > last:
                yield meta
        raise BadDataError(
            f"{self._connection.place.url} has names that no path can have, such as {_quoted(exc)}: "
            f"what is beside them was not looked at ({', '.join(spoilt) or 'the root'})",
            hint="Rename or remove them: no empty, `.` or `..` segments, and no control characters.",
        ) from exc

    def _folder(self, prefix: str | None, spoilt: _Names) -> Iterator["ObjectMeta"]:
        try:
            result = self._patience().insist(partial(self._store.list_with_delimiter, prefix))
        except InvalidPathError:
            spoilt.append(f"{prefix or ''}/")
            return
        yield from result["objects"]
        for folder in result["common_prefixes"]:
            if len(folder) > len(prefix or ""):
                yield from self._folder(folder, spoilt)

    def _patience(self) -> Patience:
        return Patience(self._connection.place, self._timeout_seconds)


class _ObjectStream(io.RawIOBase):
    """One state of an object, read by as many requests as it takes."""

    def __init__(self, store: "Store", file: StoredFile, patience: Patience) -> None:
        self._store = store
        self._file = file
        self._patience = patience
        self._chunks: Iterator[_Buffer] | None = None
        self._rest = memoryview(b"")
        self._position = 0
        # the first answer is awaited here, so that what cannot be opened is refused now
        self._fetch()

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1) -> bytes:
        if size is None or size < 0:
            return self.readall()
        if not self._rest:
            self._fetch()
        piece = bytes(self._rest[:size])
        self._rest = self._rest[size:]
        return piece

    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override]
        piece = self.read(len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)

    def close(self) -> None:
        self._chunks = None
        self._rest = memoryview(b"")
        super().close()

    def _fetch(self) -> None:
        """Make the next chunk the rest; at the end it stays empty."""
        while self._position < self._file.size or self._chunks is None:
            began = time.monotonic()
            try:
                if self._chunks is None:
                    self._chunks = self._connect()
                chunk = next(self._chunks, None)
                if chunk is None and self._position < self._file.size:
                    raise GenericError("end of file before its size was reached")
            except STORE_ERRORS as exc:
                self._chunks = None
                self._patience.wait(exc, began)
                continue
            self._patience.progress()
            if chunk is not None:
                self._rest = memoryview(chunk)
                self._position += len(self._rest)
            if self._position > self._file.size:
                raise changed()
            return

    def _connect(self) -> Iterator[_Buffer]:
        options: GetOptions = {}
        if self._file.is_strong:
            options["if_match"] = f'"{self._file.version}"'
        if self._position:
            options["range"] = {"offset": self._position}
        answer = self._store.get(self._file.name, options=options)
        # a store may not know the condition, and not heed it
        if _describe(answer.meta) != self._file:
            raise changed()
        if self._position and answer.range[0] != self._position:
            raise FileRefusedError(
                "the store does not hand out parts of it", hint="Look at the store: the transfer broke off."
            )
        # as they come: what the library collects into larger chunks is lost where the line breaks
        return iter(answer.stream(min_chunk_size=1))


def _describe(meta: "ObjectMeta") -> StoredFile:
    etag, modified_at = meta["e_tag"], meta["last_modified"]
    is_strong = bool(etag) and not str(etag).startswith("W/")
    version = (etag or f"{modified_at:%Y%m%dT%H%M%S.%f}").strip('"')
    return StoredFile(meta["path"], meta["size"], version, is_strong=is_strong, modified_at=modified_at)


def _is_shown(meta: "ObjectMeta") -> bool:
    *folders, name = meta["path"].split("/")
    # what consoles put as a folder, `name/`, reaches us without its slash
    is_folder = meta["size"] == 0 and "." not in name
    return is_drop(name) and not is_folder and not any(folder.startswith(".") for folder in folders)


def _parts(path: Path, checksum: str) -> Iterator[bytes]:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(_PART_BYTES):
            digest.update(part)
            if file.peek(1) == b"" and digest.hexdigest() != checksum:
                # before the last part is handed over: the upload is never completed
                raise changed()
            yield part


def _quoted(exc: Exception) -> str:
    text = str(exc)
    start = text.find('"')
    return text[start : text.find('"', start + 1) + 1] if start >= 0 else "one"
