"""The stores, started once where a test asks for them, and a landing zone of its own in each for every test."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from ingestion.storage import Storage, StoredFile, open_storage
from tests.integration.storage.proxy import Proxy
from tests.integration.storage.servers import STARTERS, Server

STORES = ("moto", "seaweedfs", "gcs", "azurite")
_FAMILIES = ("AWS_", "AZURE_", "GOOGLE_", "STORAGE_EMULATOR_HOST")
_names = count(1)


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Server]]:
    with ExitStack() as stack:
        folder = tmp_path_factory.mktemp("stores")
        yield cache(lambda name: STARTERS[name](stack, folder))


@pytest.fixture(autouse=True)
def nothing_of_the_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep the developer's own settings out, and every request on loopback."""
    for name in [name for name in os.environ if name.startswith(_FAMILIES)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "no-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "no-credentials"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@dataclass(frozen=True)
class Zone:
    """A landing zone under test.

    Arguments:
        location: what PIPELINE_DATA_DIR would say.
        put: puts a file there by other ways than the program's own.
        delete: takes it away.
        server: the store, None for a directory.

    """

    location: str
    put: Callable[[str, bytes], object]
    delete: Callable[[str], object]
    server: Server | None = None

    @property
    def proxy(self) -> Proxy:
        assert self.server
        return self.server.proxy

    def open(self, seconds: float = 10.0) -> Storage:
        return open_storage(self.location, timeout_seconds=seconds)

    def names(self) -> list[str]:
        return [file.name for file in self.open().list()]

    def listed(self, name: str) -> StoredFile:
        (file,) = (file for file in self.open().list() if file.name == name)
        return file

    def read(self, name: str) -> bytes:
        with self.open().open(self.listed(name)) as stream:
            return stream.read()


def local_zone(root: Path) -> Zone:
    def put(name: str, content: bytes) -> None:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(".part")
        part.write_bytes(content)
        part.replace(path)

    root.mkdir()
    return Zone(str(root), put, lambda name: (root / name).unlink())


def store_zone(server: Server, monkeypatch: pytest.MonkeyPatch) -> Zone:
    bucket, prefix = server.bucket, f"zone {next(_names)}/of a%20day"
    server.proxy.breaks()
    for name, value in server.environ.items():
        monkeypatch.setenv(name, value)
    return Zone(
        f"{server.scheme}://{bucket}/{prefix}",
        lambda name, content: server.put(bucket, f"{prefix}/{name}", content),
        lambda name: server.delete(bucket, f"{prefix}/{name}"),
        server,
    )


@pytest.fixture(params=["local", *STORES])
def zone(request: pytest.FixtureRequest, servers: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Zone:
    """Each kind of landing zone in turn."""
    if request.param == "local":
        return local_zone(tmp_path / "zone")
    return store_zone(servers(request.param), monkeypatch)


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, servers: Any, monkeypatch: pytest.MonkeyPatch) -> Zone:
    """Each object store in turn."""
    return store_zone(servers(request.param), monkeypatch)


@pytest.fixture
def s3(servers: Any, monkeypatch: pytest.MonkeyPatch) -> Zone:
    """One S3, for what is the same in all stores."""
    return store_zone(servers("moto"), monkeypatch)


@pytest.fixture
def seaweedfs(servers: Any, monkeypatch: pytest.MonkeyPatch) -> Zone:
    """The S3 that looks at credentials."""
    return store_zone(servers("seaweedfs"), monkeypatch)
