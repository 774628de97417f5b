"""A landing zone in an object store.

Every request for a file is conditional on its etag in the list. A file is therefore read in one state, completely, or
it is refused. This module retries instead of the library: a signal ends a pause, a read continues at the byte where it
broke off, and the time is bounded.
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
from ingestion.storage.base import StoredFile, changed, is_loadable, other_bytes
from ingestion.storage.faults import STORE_ERRORS, DeniedError, Patience, Place, unreadable

if TYPE_CHECKING:
    from obstore import GetOptions, ObjectMeta
    from obstore.store import AzureStore, GCSStore, S3Store

    Store = S3Store | GCSStore | AzureStore

_CHUNK_BYTES = 1 << 18
_PAGE = 1000
# larger files are uploaded in parts, so that they need not fit into memory
_WHOLE_BYTES = 32 << 20
_PART_BYTES = 8 << 20


_Names = list[str]


class _Buffer(Protocol):
    def __buffer__(self, flags: int, /) -> memoryview: ...
    def __len__(self) -> int: ...


@dataclass(frozen=True)
class Connection:
    """A connection to a store.

    Arguments:
        store: makes every request once.
        writer: returns a store that retries, for uploads in parts: only the library can repeat a part.
        place: the store, as messages describe it.

    """

    store: "Store"
    writer: Callable[[], "Store"]
    place: Place


class ObjectStorage:
    """A bucket or container, or a prefix in one.

    Arguments:
        connection: the connection to it.
        timeout_seconds: how long it may fail without any progress.

    """

    def __init__(self, connection: Connection, timeout_seconds: float) -> None:
        self._connection = connection
        self._store = connection.store
        self._timeout_seconds = timeout_seconds

    def recover(self) -> None:
        pass  # nothing is archived

    def clear_leftovers(self) -> None:
        pass  # an upload has no temporary object

    def list(self) -> Iterator[StoredFile]:
        for meta in self._flat():
            if _is_shown(meta):
                yield _describe(meta)

    def open(self, file: StoredFile) -> BinaryIO:
        try:
            return cast("BinaryIO", _ObjectStream(self._store, file, self._patience()))
        except DeniedError as exc:
            raise unreadable(exc) from exc

    def confirms(self, file: StoredFile, checksum: str) -> bool:
        # without an etag, only a time in whole seconds tells one state from the next
        return file.is_strong or (self.is_unchanged(file) and self._checksum_of(file) == checksum)

    def is_unchanged(self, file: StoredFile) -> bool:
        # every response to its reads had this etag
        return file.is_strong or _describe(self._patience().retry(partial(self._store.head, file.name))) == file

    @property
    def can_archive(self) -> bool:
        return False  # no store can move an object only if it is unchanged

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

        if self._patience().retry(put):
            return True
        # an earlier attempt, whose answer was lost, may have put it
        self._check_is(name, checksum)
        return False

    def _add_in_parts(self, name: str, path: Path, checksum: str) -> bool:
        """Upload in parts. Not all stores can do that conditionally; the checksum in the name makes it safe."""

        def is_there() -> bool:
            try:
                self._store.head(name)
            except FileNotFoundError:
                return False
            return True

        if self._patience().retry(is_there):
            self._check_is(name, checksum)
            return False
        self._patience().retry(
            lambda: self._connection.writer().put(
                name, _parts(path, checksum), use_multipart=True, chunk_size=_PART_BYTES, max_concurrency=4
            )
        )
        return True

    def _check_is(self, name: str, checksum: str) -> None:
        file = _describe(self._patience().retry(partial(self._store.head, name)))
        if self._checksum_of(file) != checksum:
            raise other_bytes(name)

    def _checksum_of(self, file: StoredFile) -> str:
        digest = hashlib.sha256()
        with self.open(file) as stream:
            while chunk := stream.read(_CHUNK_BYTES):
                digest.update(chunk)
        return digest.hexdigest()

    def _flat(self) -> Iterator["ObjectMeta"]:
        """Yield all objects, page by page. After a failure, continue after the last object."""
        patience = self._patience()
        last: str | None = None
        is_sorted = True
        while True:
            resumed_after = last
            began = time.monotonic()
            try:
                for page in self._store.list(offset=last, chunk_size=_PAGE):
                    patience.progress()
                    for meta in page:
                        # some stores ignore the offset
                        if resumed_after is None or meta["path"] > resumed_after:
                            is_sorted = is_sorted and (last is None or meta["path"] > last)
                            last = meta["path"]
                            yield meta
                    began = time.monotonic()
            except InvalidPathError as exc:
                yield from self._by_folder(last, exc)
            except STORE_ERRORS as exc:
                patience.wait(exc, began)
                if not is_sorted:
                    raise StorageUnavailableError(
                        f"{self._connection.place.url} failed while listing, and its list is not sorted",
                        hint="Run again: loaded files stay loaded.",
                    ) from exc
                continue
            return

    def _by_folder(self, last: str | None, exc: InvalidPathError) -> Iterator["ObjectMeta"]:
        """Yield the remaining objects, folder by folder, so that an invalid name affects only its own folder."""
        log.event(f"{self._connection.place.url}: some names are invalid; listing folder by folder")
        unlisted: _Names = []
        for meta in self._folder(None, unlisted):
            if last is None or meta["path"] > last:
                yield meta
        raise BadDataError(
            f"{self._connection.place.url} has invalid names, such as {_quoted(exc)}: "
            f"these folders were not listed ({', '.join(unlisted) or 'the root'})",
            hint="Rename or remove these objects: no empty, `.` or `..` segments, and no control characters.",
        ) from exc

    def _folder(self, prefix: str | None, unlisted: _Names) -> Iterator["ObjectMeta"]:
        try:
            result = self._patience().retry(partial(self._store.list_with_delimiter, prefix))
        except InvalidPathError:
            unlisted.append(f"{prefix or ''}/")
            return
        yield from result["objects"]
        for folder in result["common_prefixes"]:
            if len(folder) > len(prefix or ""):
                yield from self._folder(folder, unlisted)

    def _patience(self) -> Patience:
        return Patience(self._connection.place, self._timeout_seconds)


class _ObjectStream(io.RawIOBase):
    """One state of an object, read with as many requests as needed."""

    def __init__(self, store: "Store", file: StoredFile, patience: Patience) -> None:
        self._store = store
        self._file = file
        self._patience = patience
        self._chunks: Iterator[_Buffer] | None = None
        self._buffer = memoryview(b"")
        self._position = 0
        # wait for the first answer, so that opening fails and not a later read
        self._fetch()

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1) -> bytes:
        if size is None or size < 0:
            return self.readall()
        if not self._buffer:
            self._fetch()
        piece = bytes(self._buffer[:size])
        self._buffer = self._buffer[size:]
        return piece

    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override]
        piece = self.read(len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)

    def close(self) -> None:
        self._chunks = None
        self._buffer = memoryview(b"")
        super().close()

    def _fetch(self) -> None:
        """Read the next chunk into the buffer, which stays empty at the end."""
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
                self._buffer = memoryview(chunk)
                self._position += len(self._buffer)
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
        # a store may ignore the condition
        if _describe(answer.meta) != self._file:
            raise changed()
        if self._position and answer.range[0] != self._position:
            raise FileRefusedError(
                "the transfer broke off, and the store cannot resume it", hint="Check the store, then run again."
            )
        # unbuffered: chunks that the library collects are lost when the connection breaks
        return iter(answer.stream(min_chunk_size=1))


def _describe(meta: "ObjectMeta") -> StoredFile:
    etag, modified_at = meta["e_tag"], meta["last_modified"]
    is_strong = bool(etag) and not str(etag).startswith("W/")
    version = (etag or f"{modified_at:%Y%m%dT%H%M%S.%f}").strip('"')
    return StoredFile(meta["path"], meta["size"], version, is_strong=is_strong, modified_at=modified_at)


def _is_shown(meta: "ObjectMeta") -> bool:
    *folders, name = meta["path"].split("/")
    # consoles create folders as objects `name/`; the library removes the slash
    is_folder = meta["size"] == 0 and "." not in name
    return is_loadable(name) and not is_folder and not any(folder.startswith(".") for folder in folders)


def _parts(path: Path, checksum: str) -> Iterator[bytes]:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(_PART_BYTES):
            digest.update(part)
            if file.peek(1) == b"" and digest.hexdigest() != checksum:
                # raised before the last part, so that the upload is never completed
                raise changed()
            yield part


def _quoted(exc: Exception) -> str:
    text = str(exc)
    start = text.find('"')
    return text[start : text.find('"', start + 1) + 1] if start >= 0 else "one"
